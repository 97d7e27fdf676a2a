package alert_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
)

// planted are the ways in which a desk could be wrong that must be found.
func planted() map[string]plant {
	return map[string]plant{
		"marked before it is sent": {notifier: func(n alert.Notifier) alert.Notifier {
			return notify(func(ctx context.Context, m alert.Message) (string, error) {
				n.Notify(ctx, m)
				return "marked", nil
			})
		}},
		"an id for each attempt": {notifier: func(n alert.Notifier) alert.Notifier {
			return notify(func(ctx context.Context, m alert.Message) (string, error) {
				m.ID = fmt.Sprintf("%s-%d", m.ID, m.Attempts)
				return n.Notify(ctx, m)
			})
		}},
		"what was refused is sent as it was": {notifier: func(n alert.Notifier) alert.Notifier {
			return notify(func(ctx context.Context, m alert.Message) (string, error) {
				answer, err := n.Notify(ctx, m)
				if err != nil {
					err = errDown
				}
				return answer, err
			})
		}},
		"what may have arrived is taken back": {notifier: func(n alert.Notifier) alert.Notifier {
			return notify(func(ctx context.Context, m alert.Message) (string, error) {
				answer, err := n.Notify(ctx, m)
				if err != nil {
					err = errRefused
				}
				return answer, err
			})
		}},
		"an end is dropped when it fails": {notifier: func(n alert.Notifier) alert.Notifier {
			return notify(func(ctx context.Context, m alert.Message) (string, error) {
				answer, err := n.Notify(ctx, m)
				if m.Event == alert.Resolved {
					return answer, nil
				}
				return answer, err
			})
		}},
		"an attempt is saved after it is made":    {store: func(s alert.Store) alert.Store { return &belated{Store: s} }},
		"what was told is saved after it is sent": {store: func(s alert.Store) alert.Store { return &tardy{Store: s} }},
		"an attempted firing is taken back":       {store: func(s alert.Store) alert.Store { return innocent{s} }},
		"messages are sent twice in another order": {notifier: func(n alert.Notifier) alert.Notifier {
			held := &holder{}
			return notify(func(ctx context.Context, m alert.Message) (string, error) { return held.pass(ctx, n, m) })
		}},
	}
}

type notify func(context.Context, alert.Message) (string, error)

func (f notify) Notify(ctx context.Context, m alert.Message) (string, error) { return f(ctx, m) }

// tardy saves what was told and the messages with the next change only.
type tardy struct {
	alert.Store
	mu   sync.Mutex
	late alert.Change
}

func (s *tardy) Save(ctx context.Context, c alert.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := alert.Change{Told: c.Told, Messages: c.Messages}
	c.Told, c.Messages = s.late.Told, s.late.Messages
	if err := s.Store.Save(ctx, c); err != nil {
		return err
	}
	s.late = late
	return nil
}

// belated saves that attempts were made with the next change only.
type belated struct {
	alert.Store
	mu   sync.Mutex
	late []alert.Message
}

func (s *belated) Save(ctx context.Context, c alert.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	prompt, late := s.late, []alert.Message(nil)
	for _, m := range c.Messages {
		if m.Attempts > 0 {
			late = append(late, m)
		} else {
			prompt = append(prompt, m)
		}
	}
	c.Messages = slices.DeleteFunc(prompt, func(m alert.Message) bool { return slices.Contains(c.Done, m.ID) })
	if err := s.Store.Save(ctx, c); err != nil {
		return err
	}
	s.late = late
	return nil
}

// innocent forgets that attempts were made.
type innocent struct{ alert.Store }

func (s innocent) Load(ctx context.Context) (alert.Memory, error) {
	m, err := s.Store.Load(ctx)
	for i := range m.Messages {
		m.Messages[i].Attempts, m.Messages[i].Unsure, m.Messages[i].Sealed = 0, false, false
		m.Messages[i].Due = time.Now().Add(5 * time.Minute)
	}
	return m, err
}

// holder keeps every firing until the next message has gone.
type holder struct {
	mu   sync.Mutex
	held *alert.Message
}

func (h *holder) pass(ctx context.Context, n alert.Notifier, m alert.Message) (string, error) {
	h.mu.Lock()
	held := h.held
	h.held = nil
	if held == nil && m.Event == alert.Firing {
		h.held = &m
	}
	h.mu.Unlock()
	if held == nil && m.Event == alert.Firing {
		return "held", nil
	}
	answer, err := n.Notify(ctx, m)
	if held != nil {
		n.Notify(ctx, *held)
	}
	return answer, err
}
