package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
)

// line is what status and check know of one table.
type line struct {
	Table            string       `json:"table"`
	Source           string       `json:"source"`
	Level            syncer.Level `json:"level"`
	Reason           string       `json:"reason,omitempty"`
	AsOf             *time.Time   `json:"as_of"`
	StalenessSeconds float64      `json:"staleness_seconds"`
	Warn             float64      `json:"warn_seconds,omitempty"`
	Critical         float64      `json:"critical_seconds"`
	NextPoll         *time.Time   `json:"next_poll,omitempty"`
	Rows             int64        `json:"rows"`
	Quarantined      int64        `json:"quarantined"`
	Held             int64        `json:"held"`
	Paused           bool         `json:"paused,omitempty"`
	Class            syncer.Class `json:"error_class,omitempty"`
	Error            string       `json:"error,omitempty"`
	FailingSince     *time.Time   `json:"failing_since,omitempty"`
	LatenessSeconds  float64      `json:"lateness_seconds,omitempty"`
	NotConfigured    bool         `json:"not_configured,omitempty"`
	// DeletesAsOf is the instant up to which deletions are known, ProvenAsOf
	// that up to which an audit found the copy equal to what its owner has.
	DeletesAsOf *time.Time `json:"deletes_as_of"`
	Deletes     float64    `json:"deletes_seconds,omitempty"`
	ProvenAsOf  *time.Time `json:"proven_as_of"`
	// Found and Left are what the last audit found, and what it left.
	Found      int64  `json:"audit_found"`
	Left       int64  `json:"audit_left"`
	AuditError string `json:"audit_error,omitempty"`
	// Unnamed are the fields that nobody named, and Added the columns that were
	// added for such, the oldest first.
	Unnamed []unnamedField `json:"unnamed_fields,omitempty"`
	Added   []addedColumn  `json:"added_columns,omitempty"`
	// AlertSince is since when an episode goes on, and Undelivered are those that
	// could not be told of it yet.
	AlertSince *time.Time `json:"alert_since,omitempty"`
	// WellSince is since when the table is within its budget again, while the
	// hold goes on.
	WellSince       *time.Time    `json:"well_since,omitempty"`
	SilencedUntil   *time.Time    `json:"silenced_until,omitempty"`
	MaintainedUntil *time.Time    `json:"maintenance_until,omitempty"`
	Undelivered     []undelivered `json:"undelivered,omitempty"`
	hold            time.Duration
	// IdleSince is since when no daemon holds the lease of the table's database.
	IdleSince *time.Time `json:"no_daemon_since,omitempty"`
	consumer  string
	staleness time.Duration
	// budget is the budget in plain ages, as it is for the copy as it stands, and
	// plain as it is configured.
	budget, plain syncer.Budget
}

// lines asks every consumer's database, not the daemon, and returns one line a
// table that is configured, or that only the database knows, worst first. A database that does not answer makes its
// tables unknown, which is not fresh.
func (p *parts) lines(ctx context.Context) []line {
	var all []line
	for _, con := range p.consumers {
		statuses, err := con.db.Status(ctx)
		idle := con.idleSince(ctx, err)
		for _, f := range p.feeds {
			for _, c := range f.copies {
				if c.consumer == con {
					l := newLine(f, c, statuses, err)
					l.IdleSince, l.consumer = idle, con.Name
					all = append(all, l)
				}
			}
		}
		for _, s := range statuses {
			if !p.configured(con, s.Table) {
				all = append(all, leftLine(con, s))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int {
		if a.Level.Worse(b.Level) != b.Level.Worse(a.Level) {
			return map[bool]int{true: -1, false: 1}[a.Level.Worse(b.Level)]
		}
		return cmp.Or(cmp.Compare(b.share(), a.share()), cmp.Compare(a.Table, b.Table))
	})
	return all
}

// idleTime is how long a lease must have been free for that to be told: a daemon
// that is started again is no news, and neither is poll.
const idleTime = time.Minute

// idleSince is since when no daemon holds the lease of a consumer's database;
// nil: one does, or did a moment ago, or it is not known.
func (c *consumer) idleSince(ctx context.Context, unreadable error) *time.Time {
	if unreadable != nil {
		return nil
	}
	h, err := c.db.Holding(ctx)
	if err != nil || h.Held || time.Since(h.Until) < idleTime {
		return nil
	}
	return instant(h.Until)
}

// idle are a line for each consumer whose database no daemon writes to.
func idle(lines []line) []string {
	var all []string
	for _, l := range lines {
		if l.IdleSince == nil {
			continue
		}
		text := fmt.Sprintf("%s: no daemon runs since %s", l.consumer, clock(l.IdleSince))
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

// share is how much of the critical budget is used up.
func (l line) share() float64 { return float64(l.staleness) / float64(max(l.budget.Critical, 1)) }

func newLine(f *feed, c *copied, statuses []syncer.Status, err error) line {
	l := line{Table: c.Name, Source: f.Name, Level: syncer.Never, Reason: "no daemon has seen it yet",
		budget: c.budget, plain: c.budget, Warn: c.budget.Warn.Seconds(), Critical: c.budget.Critical.Seconds(), Deletes: c.budget.Deletes.Seconds()}
	if err != nil && !unwritten(err) {
		l.Level, l.Reason = syncer.Unknown, err.Error()
		return l
	}
	i := slices.IndexFunc(statuses, func(s syncer.Status) bool { return s.Table == c.target })
	if i < 0 {
		return l
	}
	l.take(statuses[i])
	if l.AsOf != nil {
		l.budget = c.budget.At(*l.AsOf)
		l.Warn, l.Critical = l.budget.Warn.Seconds(), l.budget.Critical.Seconds()
	}
	if late := latenessNote(f, statuses[i].Late); late != "" {
		l.Reason = join(l.Reason, late)
	}
	return l
}

// take takes over what the database says of the table.
func (l *line) take(s syncer.Status) {
	l.Level, l.Reason, l.staleness = s.Level, s.Reason, s.Staleness
	l.StalenessSeconds = s.Staleness.Round(time.Millisecond).Seconds()
	l.AsOf, l.NextPoll, l.FailingSince = instant(s.AsOf), instant(s.NextPoll), instant(s.FailingSince)
	l.Rows, l.Quarantined, l.Held, l.Paused = s.Rows, s.Quarantined, s.Held, s.Paused
	l.Class, l.Error, l.LatenessSeconds = s.Class, s.Error, s.Late.Seconds()
	l.DeletesAsOf, l.ProvenAsOf = instant(s.DeletesAsOf), instant(s.ProvenAsOf)
	l.Found, l.Left, l.AuditError = s.Found, s.Left, s.AuditError
	if s.Left > 0 {
		l.Reason = join(l.Reason, fmt.Sprintf("the last audit left %d of %d differences", s.Left, s.Found))
	}
	if s.AuditError != "" {
		l.Reason = join(l.Reason, "the last audit failed: "+s.AuditError)
	}
	if s.Held > 0 {
		l.Reason = join(l.Reason, fmt.Sprintf("%d deletions are held", s.Held))
	}
	if s.Quarantined > 0 {
		l.Reason = join(l.Reason, fmt.Sprintf("%d in quarantine", s.Quarantined)+uncomparedNote(s))
	}
	l.takeFields(s)
}

// uncomparedNote keeps what audits have proven from being taken for a proof of
// the records that do not fit.
func uncomparedNote(s syncer.Status) string {
	if s.ProvenAsOf.IsZero() {
		return ""
	}
	return ", not compared"
}

// latenessNote warns when commits were seen as late as half the overlap: the
// other half is all that is left before one is missed.
func latenessNote(f *feed, late time.Duration) string {
	if f.overlap > 0 && late >= f.overlap/2 {
		return fmt.Sprintf("commits were seen %s late, overlap is %s", syncer.Span(late), syncer.Span(f.overlap))
	}
	return ""
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// instant is nil for a time that never was.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func (a *app) statusCommand() *cobra.Command {
	asJSON, watch := false, false
	cmd := &cobra.Command{
		Use: "status", Short: "one line a table, worst first: is it fresh, why not, since when", Args: none,
		Long: `status reads the consumers' databases, so it is right while no daemon runs. It
prints one line a table, worst first:

  LEVEL      fresh, or warn or critical beyond that budget; never, if no poll
             was ever completed, or its deletions not proven yet; unknown, if
             the database does not answer
  STALENESS  how old the copy is at most, of its budgets for warn and critical;
             "3h of due 06:00Z +20m": by budget.grace, the poll due at that
             tick has to bring the copy up to date within so long
  AS-OF      the instant up to which the copy is complete, as its polls claim
  PROVEN     the same, as an audit has proven it that left no difference; one
             that compares keys proves which rows there are, not what they hold
  DELETES    how old the copy is at most in what its owner deleted, of its
             budget for that, where only audits see deletions
  NEXT POLL  when the daemon means to poll again
  WHY        since when no daemon runs, the last error and since when, what the
             last audit left, deletions that are held or not proven, records in
             quarantine, fields that nobody named, a pause; since when an alert
             goes on, and until when it is silenced; or that the table is not in
             the configuration any more and only the database tells of it: see
             forget

Of alerts it tells what stands in home. Below the table is a line for each
consumer whose database no daemon writes to, since when that is, and for each
notifier that could not be reached, that nobody tries to reach, that refused
what it was last sent, or that is not told now because of its hours off.

It exits 0 whatever the levels are. For a verdict, use check.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.loadForDatabases()
			if err != nil {
				return err
			}
			defer p.close()
			if !watch {
				return a.printStatus(cmd.Context(), p, asJSON)
			}
			return a.watchStatus(cmd.Context(), p, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "print again every two seconds, until Ctrl-C")
	return cmd
}

func (a *app) watchStatus(ctx context.Context, p *parts, asJSON bool) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		if isTerminal(a.stdout) {
			fmt.Fprint(a.stdout, "\x1b[H\x1b[2J")
		}
		if err := a.printStatus(ctx, p, asJSON); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *app) printStatus(ctx context.Context, p *parts, asJSON bool) error {
	lines := p.lines(ctx)
	if ctx.Err() != nil {
		return nil // what a database says to a call that was cut off is no news
	}
	told := p.alerting(ctx)
	told.mark(lines)
	if asJSON {
		return a.printJSON(lines)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tLEVEL\tSTALENESS\tAS-OF\tPROVEN\tDELETES\tNEXT POLL\tROWS\tWHY")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Table, l.Level, l.ofBudget(), clock(l.AsOf), clock(l.ProvenAsOf), l.deletes(), l.next(), l.rows(), l.whyAndTold())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range slices.Concat(idle(lines), told.troubles(time.Now()), told.quiet.offAll()) {
		a.say("%s", text)
	}
	return nil
}

// ofBudget is the staleness against the budgets: "3m of 5m/15m", or where they
// count from the ticks of the schedule, "3h of due 06:00 +10m/+20m". Those of a
// table that is not configured may not be known.
func (l line) ofBudget() string {
	if l.budget.Critical == 0 {
		return "-"
	}
	budget := l.limit(l.budget.Critical, l.plain.Critical, l.plain.Grace.Critical)
	if l.budget.Warn > 0 {
		warn := l.limit(l.budget.Warn, l.plain.Warn, l.plain.Grace.Warn)
		day, _, _ := strings.Cut(warn, "+")
		if day != warn {
			budget = strings.TrimPrefix(budget, day)
		}
		budget = warn + "/" + budget
	}
	if l.AsOf == nil {
		return "- of " + budget
	}
	return syncer.SpanOver(l.staleness, l.budget.Critical) + " of " + budget
}

// limit is one budget: an age, or where that is not the plain one, the tick that
// it counts from and the grace.
func (l line) limit(age, plain, grace time.Duration) string {
	switch {
	case grace <= 0 || age == plain:
		return syncer.FullSpan(age)
	case l.AsOf == nil:
		return "due +" + syncer.FullSpan(grace)
	}
	due, form := l.AsOf.Add(age-grace).Round(time.Second), "15:04"
	if due.Format(time.DateOnly) != time.Now().UTC().Format(time.DateOnly) {
		form = "2006-01-02 15:04"
	}
	return "due " + due.Format(form+"Z") + " +" + syncer.FullSpan(grace)
}

// deletes is the staleness of deletions against the budget that they have of
// their own.
func (l line) deletes() string {
	switch {
	case l.budget.Deletes == 0:
		return "-"
	case l.DeletesAsOf == nil:
		return "- of " + syncer.Span(l.budget.Deletes)
	}
	return syncer.Span(max(time.Since(*l.DeletesAsOf), 0)) + " of " + syncer.Span(l.budget.Deletes)
}

// why begins with the reason for all others: nobody polls.
func (l line) why() string {
	text := l.failing()
	if l.IdleSince != nil && l.Level != syncer.Fresh {
		text = join("no daemon runs since "+clock(l.IdleSince), text)
	}
	return text
}

func (l line) failing() string {
	if l.FailingSince == nil {
		return l.Reason
	}
	return join("failing since "+clock(l.FailingSince), l.Reason)
}

// whyAndTold is why, and what is told of it.
func (l line) whyAndTold() string {
	told := l.told()
	if told == "" {
		return l.why()
	}
	return join(l.why(), told)
}

// next is when the next poll is due; one that is late, because a poll still
// runs or no daemon does, says so.
func (l line) next() string {
	if l.NextPoll != nil && time.Since(*l.NextPoll) > time.Second {
		return "due since " + clock(l.NextPoll)
	}
	return clock(l.NextPoll)
}

// rows is a dash where nothing is known of them.
func (l line) rows() string {
	if l.Level == syncer.Unknown || l.AsOf == nil && l.Rows == 0 {
		return "-"
	}
	return strconv.FormatInt(l.Rows, 10)
}

func (l line) pausedCount() int64 {
	if l.Paused {
		return 1
	}
	return 0
}

func clock(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format("2006-01-02 15:04:05Z")
}
