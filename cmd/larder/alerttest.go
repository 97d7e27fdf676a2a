package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer/alert"
)

// trialLasts is for how long an Alertmanager shows a trial.
const trialLasts = 5 * time.Minute

func (a *app) alertTestCommand() *cobra.Command {
	return &cobra.Command{Use: "test NAME", Short: "send a test to a receiver, and print what it answers", Args: atMostOne,
		Long: `test sends a message to the receiver [alert.NAME] at once, as the daemon would,
and prints what the receiver answers. It needs no daemon and no home, and no
table has to be stale. Filters, silences and hours off do not count.

It exits 0 if the receiver took the message. That is not yet a proof that
somebody sees it: look there. PagerDuty opens an incident, which is yours to
resolve; Alertmanager shows the alert LarderTest for five minutes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.whichReceiver()
			}
			return a.testAlert(cmd.Context(), args[0])
		}}
}

func (a *app) testAlert(ctx context.Context, name string) error {
	p, err := a.load()
	if err != nil {
		return err
	}
	defer p.close()
	receivers, err := p.receivers()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(receivers, func(r *alert.Receiver) bool { return r.Name == name })
	if i < 0 {
		return unknownReceiver(name, receivers)
	}
	answer, err := try(ctx, receivers[i], p.config.Larder.Name)
	if err != nil {
		return fmt.Errorf("test %s %q: %w", receivers[i].Kind, name, err)
	}
	a.say("%s: %s", name, answer)
	return nil
}

// whichReceiver asks for the name that was left out.
func (a *app) whichReceiver() error {
	p, err := a.load()
	if err != nil {
		return err
	}
	defer p.close()
	var all []string
	for _, one := range p.config.Alerts {
		all = append(all, one.Name)
	}
	if len(all) == 0 {
		return usagef("alert test wants one receiver, and the configuration has none: write [alert.NAME]")
	}
	return usagef("alert test wants one receiver: %s", strings.Join(all, ", "))
}

func unknownReceiver(name string, receivers []*alert.Receiver) error {
	if len(receivers) == 0 {
		return usagef("receiver %q is not in the configuration, and neither is any other: write [alert.%s]", name, name)
	}
	var all []string
	for _, r := range receivers {
		all = append(all, r.Name)
	}
	return usagef("receiver %q is not in the configuration; there are: %s", name, strings.Join(all, ", "))
}

// try sends a receiver a test.
func try(ctx context.Context, r *alert.Receiver, instance string) (answer string, err error) {
	now := time.Now()
	m := alert.Trial(instance, r.Name, now)
	if r.Mirror != nil {
		answer, err = r.Mirror.Mirror(ctx, m.Alerts, nil, now.Add(trialLasts))
		if some := (*alert.PeersError)(nil); errors.As(err, &some) {
			return answer, nil // which names them
		}
		return answer, err
	}
	return r.Notifier.Notify(ctx, m)
}
