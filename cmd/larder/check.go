package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
)

// The states of monitoring plugins, as the Monitoring Plugins guidelines name
// and number them.
var pluginStates = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func (a *app) checkCommand() *cobra.Command {
	wait, timeout := false, 5*time.Minute
	cmd := &cobra.Command{
		Use:   "check [TABLE…]",
		Short: "for monitoring, cron and init containers: one line, exit 0 to 3",
		Long: `check judges the named tables, or all of them, and prints one line as monitoring
plugins do, with the staleness of each table as performance data. It reads the
consumers' databases, so it is right while no daemon runs. Tables that are not
in the configuration any more are counted, not judged.

It also says when alerts cannot be delivered: a notifier that was not reached a
minute after a message was due makes it a warning. That is left out of the state
with --wait and where tables are named, because a consumer that waits for its
copy can start without.

Exit codes: 0 every table is fresh, 1 one is at warn, or alerts
are not delivered, 2 one is critical or was never polled to the end, 3 that
cannot be told.

With --wait it comes back as soon as all are fresh, which is what an init
container wants, or with the last verdict after --timeout.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), args, wait, timeout)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		a.say("LARDER UNKNOWN - %v", err) // 2 would mean critical
		return exitCode(3)
	})
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until every table is fresh")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait, and how long to ask")
	return cmd
}

func (a *app) check(ctx context.Context, names []string, wait bool, timeout time.Duration) error {
	p, err := a.loadForDatabases()
	if err != nil {
		a.say("LARDER UNKNOWN - %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return exitCode(3)
	}
	defer p.close()
	var wanted []string
	for _, name := range names {
		_, c, err := p.find(name)
		if err != nil {
			a.say("LARDER UNKNOWN - %v", err)
			return exitCode(3)
		}
		wanted = append(wanted, c.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		told := p.alerting(ctx)
		text, state := verdict(p.lines(ctx), wanted, told.troubles(time.Now().Add(-undeliveredTime)))
		if told.stuck(time.Now()) && len(wanted) == 0 && !wait {
			state = max(state, 1)
		}
		if state != 0 && wait {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
			}
		}
		a.say("LARDER %s - %s", pluginStates[state], text)
		if state == 0 {
			return nil
		}
		return exitCode(state)
	}
}

// verdict sums up the wanted lines, all for none wanted, as a plugin prints
// them: text, and performance data behind a bar.
// troubles are what keeps alerts from being delivered.
func verdict(lines []line, wanted, troubles []string) (string, int) {
	state, fresh, total := 0, 0, 0
	var paused, quarantined, held, differ, unnamed, left int64
	why, perf := idle(wantedOf(lines, wanted)), []string{}
	for _, l := range wantedOf(lines, wanted) {
		if l.NotConfigured {
			left++
			continue
		}
		total++
		paused, quarantined, held, differ = paused+l.pausedCount(), quarantined+l.Quarantined, held+l.Held, differ+l.Left
		unnamed += int64(len(l.Unnamed))
		s := stateOf(l.Level)
		state = max(state, s)
		if s == 0 {
			fresh++
		} else {
			why = append(why, join(fmt.Sprintf("%s is %s, %s", l.Table, l.Level, l.ofBudget()), l.failing()))
		}
		warn := ""
		if l.Warn > 0 {
			warn = fmt.Sprintf("%g", l.Warn)
		}
		value := "U"
		if l.AsOf != nil {
			value = fmt.Sprintf("%.3fs", l.StalenessSeconds)
		}
		perf = append(perf, fmt.Sprintf("'%s'=%s;%s;%g;0", strings.ReplaceAll(l.Table, "'", ""), value, warn, l.Critical))
	}
	text := fmt.Sprintf("%d of %d tables are fresh", fresh, total)
	if total == 0 {
		return "no table is configured", 3
	}
	for _, n := range []struct {
		count int64
		what  string
	}{{paused, "paused"}, {quarantined, "records in quarantine"}, {held, "deletions held"}, {differ, "differences left by audits"}, {unnamed, "fields that nobody named"}, {left, "not in the configuration"}} {
		if n.count > 0 {
			text += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	if why = append(why, troubles...); len(why) > 0 {
		text += ": " + strings.Join(why, "; ")
	}
	text = strings.NewReplacer("|", "/", "\n", " ").Replace(text)
	return text + " | " + strings.Join(perf, " "), state
}

// wantedOf are the lines of the tables that are wanted, all for none.
func wantedOf(lines []line, wanted []string) []line {
	if len(wanted) == 0 {
		return lines
	}
	return slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return !slices.Contains(wanted, l.Table) })
}

func stateOf(l syncer.Level) int {
	switch l {
	case syncer.Fresh:
		return 0
	case syncer.Warn:
		return 1
	case syncer.Critical, syncer.Never:
		return 2
	}
	return 3
}
