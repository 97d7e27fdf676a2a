package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert/notify"
	"github.com/larder-sync/larder/syncer/web"
)

// judge finds what config leaves to us: cron specs, budgets against schedules,
// expressions.
func judge(c *config.Config) config.Mistakes {
	_, mistakes := schedulesOf(c)
	return append(mistakes, expressionMistakes(c)...)
}

// judgeOutside finds what keeps larder from telling receivers and from being
// asked: it makes each of them as the daemon does, so that a file that is good
// for one is good for the other. It needs their secrets.
func judgeOutside(c *config.Config) config.Mistakes {
	p := &parts{config: c, log: zerolog.Nop(), home: &atHome{}}
	var mistakes config.Mistakes
	note := func(err error) {
		if of, ok := errors.AsType[config.Mistakes](err); ok {
			mistakes = append(mistakes, of...)
		}
	}
	for _, a := range c.Alerts {
		if a.Kind != "" { // told as missing
			_, err := p.receiver(a)
			note(err)
		}
	}
	if h := c.Larder.Heartbeat; h != nil {
		_, err := p.heartbeat(h)
		note(err)
	}
	return slices.Concat(mistakes, unlistened(c), unprovenNudges(c))
}

// optionMistake is a mistake at the key of the option that is wrong.
func optionMistake(c *config.Config, keyPath string, err error) config.Mistake {
	of, ok := errors.AsType[*notify.OptionError](err)
	if !ok {
		return c.Mistake(keyPath, "%v", err)
	}
	at := keyPath + "." + of.Option
	if !c.Says(at) {
		return c.Mistake(keyPath, "%v", err)
	}
	if of.Index >= 0 {
		at += fmt.Sprintf("[%d]", of.Index)
	}
	return c.Mistake(at, "%v", of.Err)
}

// unlistened tells an address that the server does not take.
func unlistened(c *config.Config) config.Mistakes {
	l := c.Larder
	if l.Listen == "" {
		return nil
	}
	if _, err := web.New(web.Options{Listen: l.Listen, Tokens: web.Tokens{Read: l.ReadToken.Reveal()}, Log: zerolog.Nop()}); err != nil {
		return config.Mistakes{c.Mistake("larder.listen", "%v; write 127.0.0.1, or tokens beside it", err)}
	}
	return nil
}

// unprovenNudges tells the nudges that nobody could prove to be genuine.
func unprovenNudges(c *config.Config) config.Mistakes {
	var mistakes config.Mistakes
	for _, n := range c.Nudges {
		if n.Kind == "" {
			continue // told as unknown
		}
		one := web.Nudge{Name: n.Name, Kind: web.Kind(n.Kind), Secrets: revealed(n.Secrets), Target: nobody{}}
		if _, err := web.New(web.Options{Listen: "127.0.0.1:0", Nudges: []web.Nudge{one}, Log: zerolog.Nop()}); err != nil {
			mistakes = append(mistakes, c.Mistake(n.KeyPath+".secret", "%v", errors.Unwrap(err)))
		}
	}
	return mistakes
}

// nobody takes the place of a source where a nudge is only judged.
type nobody struct{}

// Nudge implements web.Poker.
func (nobody) Nudge() error { return nil }
