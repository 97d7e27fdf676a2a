package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
)

// ExecOptions say which command is run.
type ExecOptions struct {
	// Command is the program and its arguments; no shell reads them.
	Command []string
}

// Exec runs a command for each message. The command reads the same JSON that a
// webhook gets from its standard input, of any number of alerts, and finds the
// gist in variables: LARDER_TYPE, LARDER_ID, LARDER_INSTANCE, LARDER_TITLE,
// LARDER_TEXT, and for a message about one table LARDER_TABLE, LARDER_SOURCE,
// LARDER_CONSUMER, LARDER_SEVERITY, LARDER_STATUS and LARDER_KEY. Of larder's
// own environment it gets what programs need to run and nothing else, because
// there may be secrets in it.
//
// It has 15 seconds, and is killed then with all that it started. Any exit code
// but 0 is a failure, and the message is tried again; only of a command that cannot
// be started is it certain that the message has not arrived.
type Exec struct {
	command []string
	limit   time.Duration
}

// mostOutput is how much of what a command prints is kept.
const mostOutput = 4 << 10

// NewExec checks the options. It runs nothing: the command may come into being
// later.
func NewExec(o ExecOptions) (*Exec, error) {
	if len(o.Command) == 0 {
		return nil, wrong("command", "is missing")
	}
	if o.Command[0] == "" {
		return nil, wrongOf("command", 0, errors.New("is no program"))
	}
	return &Exec{command: o.Command, limit: attemptTime}, nil
}

// Notify implements [alert.Notifier].
func (x *Exec) Notify(ctx context.Context, m alert.Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, x.limit)
	defer cancel()
	body, err := encode(payloadOf(m, mostText))
	if err != nil {
		return "", ofEncoding(err)
	}
	output := &bounded{most: mostOutput}
	cmd := exec.CommandContext(ctx, x.command[0], x.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(body, '\n')), output, output
	cmd.Env = append(inherited(), variables(m)...)
	cmd.WaitDelay = time.Second // for what a child that went on keeps open
	together(cmd)
	err = cmd.Run()
	said := alert.Plain(output.String(), mostAnswer)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		e := newHider().ofCarriage("run command", ctx.Err())
		if e.timeout {
			e.text = fmt.Sprintf("run command: killed after %s", x.limit)
		}
		return "", e
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return strings.TrimSuffix("exit code 0: "+said, ": "), nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return "", &Error{text: strings.TrimSuffix(fmt.Sprintf("command ended with exit code %d: %s", exit.ExitCode(), said), ": "), cause: err}
	}
	return "", &Error{text: "run command: " + alert.Plain(err.Error(), mostAnswer), notTaken: cmd.Process == nil, cause: err}
}

// inherited is what of our environment programs need to run.
func inherited() []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT"} {
		if value, set := os.LookupEnv(name); set {
			out = append(out, name+"="+value)
		}
	}
	return out
}

func variables(m alert.Message) []string {
	text := cut(strings.Join(m.Lines(), "\n"), mostOutput)
	out := []string{
		"LARDER_TYPE=larder.staleness." + string(m.Event), "LARDER_ID=" + m.ID, "LARDER_INSTANCE=" + alert.Plain(m.Instance, mostName),
		"LARDER_TITLE=" + m.Title(), "LARDER_TEXT=" + text, "LARDER_ALERTS=" + strconv.Itoa(len(m.Alerts)),
	}
	if len(m.Alerts) == 1 {
		e := entryOf(m.Alerts[0], mostText)
		out = append(out, "LARDER_TABLE="+e.Table, "LARDER_SOURCE="+e.Source, "LARDER_CONSUMER="+e.Consumer,
			"LARDER_SEVERITY="+e.Severity, "LARDER_STATUS="+e.Status, "LARDER_KEY="+e.Key)
	}
	return out
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	_, _ = b.Buffer.Write(p[:min(len(p), max(b.most-b.Len(), 0))])
	return len(p), nil
}
