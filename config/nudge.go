package config

import "time"

// Nudge is who may ask for a poll of a source.
type Nudge struct {
	Name     string
	KeyPath  string
	Source   *Source
	Kind     NudgeKind
	Secrets  []Secret // any of them proves the sender
	Debounce time.Duration
}

// NudgeKind is how a sender proves itself.
type NudgeKind string

// The kinds: signatures by Standard Webhooks, GitHub and Stripe, and a bearer token.
const (
	NudgeStandard NudgeKind = "standard"
	NudgeBearer   NudgeKind = "bearer"
	NudgeGitHub   NudgeKind = "github"
	NudgeStripe   NudgeKind = "stripe"
)

func (r *reader) nudge(n *node, c *Config) *Nudge {
	d := defaultNudge(n.key)
	s, ok := r.section(n)
	if !ok {
		return d
	}
	if s.has("kind") {
		d.Kind = "" // what it takes is not known where the word is none
		choose(s, "kind", &d.Kind)
	}
	d.Source, _ = refer(s, "source", n.key, c.Sources)
	if secret := s.need("secret", `secret = "${NUDGE_SECRET}"`); secret != nil {
		fits := wrongToken
		switch d.Kind {
		case "":
			fits = nil
		case NudgeStandard:
			fits = wrongSigning
		}
		d.Secrets = r.secrets(secret, fits)
	}
	s.duration("debounce", &d.Debounce)
	if c.Larder.Listen == "" {
		r.wrong(n, `is heard at larder's address, and larder.listen is empty; write listen, or leave the nudge out`)
	}
	if d.Source != nil && !d.Source.Enabled {
		r.warn(n, "asks for polls of source %q, which is not enabled", d.Source.Name)
	}
	return d
}

// secrets reads one secret or a list of them.
func (r *reader) secrets(n *node, fits func(string) string) (all []Secret) {
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one secret")
	}
	for _, one := range eachOf(n) {
		all = append(all, r.fit(one, fits))
	}
	return all
}
