package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Secret is a credential and where it stands. It prints as a fixed text.
type Secret struct {
	Value string
	// Again reads it anew from where it stands; nil: in the configuration
	// itself, where it stays as it is. Its errors show nothing of the value.
	Again func() (string, error)
}

// Literal is a secret that stays as it is.
func Literal(value string) Secret { return Secret{Value: value} }

// Format hides the value from every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

const (
	// rereads bounds how often a secret is read that is just being written,
	// rereadEvery is the time between. Two in a row must be the same.
	rereads     = 10
	rereadEvery = 100 * time.Millisecond
	// mostBefore bounds the secrets that are remembered to be hidden.
	mostBefore = 32
	// leastSecret is how long what may be a secret, or not, must be to be hidden:
	// to hide what is shorter would make every text unreadable.
	leastSecret = 4
)

// secrets are what one Authenticator needs, read again together.
type secrets struct {
	from []Secret
	// shown are the strings that would give values away.
	shown func(values []string) []string
	// reading is held by who reads them again: others wait for what it finds.
	reading chan struct{}

	mu     sync.Mutex
	now    []string
	number int
	before []string // what is shown of former values, the latest first
}

// hold begins with the secrets as they were read at first. shown may be nil:
// the values themselves give them away.
func hold(shown func([]string) []string, from ...Secret) *secrets {
	if shown == nil {
		shown = slices.Clone[[]string]
	}
	s := &secrets{from: from, shown: shown, reading: make(chan struct{}, 1)}
	for _, one := range from {
		s.now = append(s.now, one.Value)
	}
	return s
}

// get is the values, in the order of hold, and their number.
func (s *secrets) get() (values []string, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.number
}

// Refused implements Authenticator: there are others where the secrets changed
// since the request with that number. They are read again where nobody has since.
func (s *secrets) Refused(ctx context.Context, number int) (bool, error) {
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return false, nil
	}
	defer func() { <-s.reading }()
	now, current := s.get()
	if current != number {
		return true, nil
	}
	read, err := s.settled(ctx, now)
	if err != nil || slices.Equal(read, now) {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = slices.Concat(s.shown(now), s.before)
	s.before = s.before[:min(len(s.before), mostBefore)]
	s.now = read
	s.number++
	return true, nil
}

// settled reads the values until they stand still: a file may be empty or half
// written when somebody replaces it.
func (s *secrets) settled(ctx context.Context, now []string) ([]string, error) {
	last, err := s.read(now)
	for range rereads {
		if err == nil && slices.Equal(last, now) {
			return last, nil
		}
		select {
		case <-time.After(rereadEvery):
		case <-ctx.Done():
			return now, nil
		}
		next, failed := s.read(now)
		if err == nil && failed == nil && slices.Equal(next, last) {
			return next, nil
		}
		last, err = next, failed
	}
	if err == nil {
		err = errors.New("read credentials again: they do not stand still")
	}
	return nil, err
}

// read reads all values once.
func (s *secrets) read(now []string) ([]string, error) {
	read := slices.Clone(now)
	for i, one := range s.from {
		if one.Again == nil {
			continue
		}
		value, err := one.Again()
		if err == nil && value == "" && now[i] != "" {
			err = errors.New("it is empty")
		}
		if err != nil {
			return nil, fmt.Errorf("read credentials again: %w", err)
		}
		read[i] = value
	}
	return read, nil
}

// Secrets implements Authenticator.
func (s *secrets) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.shown(s.now), s.before)
}

// longEnough are the values that can be hidden in a text which stays readable.
func longEnough(values []string) (all []string) {
	for _, value := range values {
		if len(value) >= leastSecret {
			all = append(all, value)
		}
	}
	return all
}
