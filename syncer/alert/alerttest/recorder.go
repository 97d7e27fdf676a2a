package alerttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
)

// Heard is a message that came in.
type Heard struct {
	At time.Time
	alert.Message
	// Err is what it was answered by; nil: it was taken.
	Err error
}

// Recorder is a Notifier that keeps what it is told.
type Recorder struct {
	// Answer decides what a message is answered by; nil: everything is taken.
	// It may block.
	Answer func(ctx context.Context, m alert.Message) error

	mu    sync.Mutex
	heard []Heard
}

// Notify keeps the message, with its answer.
func (r *Recorder) Notify(ctx context.Context, m alert.Message) (string, error) {
	var err error
	at := time.Now()
	if r.Answer != nil {
		err = r.Answer(ctx, m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, Heard{At: at, Message: cloned(m), Err: err})
	if err != nil {
		return "", err
	}
	return "taken", nil
}

// Heard is everything that came in, taken or not, in its order.
func (r *Recorder) Heard() []Heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// Taken are the messages that were taken, in their order.
func (r *Recorder) Taken() []Heard {
	return slices.DeleteFunc(r.Heard(), func(h Heard) bool { return h.Err != nil })
}

// Mirrored is one picture that a Mirror was shown.
type Mirrored struct {
	At, Until        time.Time
	Firing, Resolved []alert.Alert
	Err              error
}

// Mirror is an alert.Mirror that keeps what it is shown.
type Mirror struct {
	// Answer decides what a picture is answered by; nil: it is taken.
	Answer func(ctx context.Context) error

	mu  sync.Mutex
	saw []Mirrored
}

// Mirror keeps the picture.
func (r *Mirror) Mirror(ctx context.Context, firing, resolved []alert.Alert, until time.Time) (string, error) {
	var err error
	if r.Answer != nil {
		err = r.Answer(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saw = append(r.saw, Mirrored{At: time.Now(), Until: until, Firing: slices.Clone(firing), Resolved: slices.Clone(resolved), Err: err})
	if err != nil {
		return "", err
	}
	return "taken", nil
}

// Saw is every picture, in its order.
func (r *Mirror) Saw() []Mirrored {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.saw)
}

// Refusal is an error of a receiver that says what it means by methods.
type Refusal struct {
	Text             string
	IsPermanent, Out bool
	After            time.Duration
}

func (e *Refusal) Error() string { return e.Text }

// Permanent says that the same message will never be taken.
func (e *Refusal) Permanent() bool { return e.IsPermanent }

// Gone says that no message will be.
func (e *Refusal) Gone() bool { return e.Out }

// NotTaken says that the message has not arrived.
func (e *Refusal) NotTaken() bool { return true }

// RetryAfter is how long the receiver wishes not to be asked.
func (e *Refusal) RetryAfter() time.Duration { return e.After }
