package sources

import (
	"net/http"

	"github.com/larder-sync/larder/syncer"
)

// Pages and bodies that are read in windows are judged by the same rules, which
// stand here: what an answer says of itself, what stands beside its records, and
// whether a pass has seen everything.

// verdict says what makes a success a failure; misfit is what the decoder found
// wrong with a sound body. What the owner says went wrong explains why the
// records are not there.
func (s *Source) verdict(r *response, body [][]byte, misfit error) error {
	if err := s.says(r, body, true); err != nil {
		return err
	}
	if misfit != nil && !s.lacksList(misfit) {
		return refusal{unreadable(misfit)}
	}
	return nil
}

// says judges what is there of an answer by what it says of itself. What is
// required must be there when it is whole.
func (s *Source) says(r *response, body [][]byte, whole bool) error {
	if s.expired.inAnswer(r.status, r.header, body) {
		return refusal{errSaysExpired}
	}
	if wrong := s.client.redact.wrong(s.errorAt, r.header, body); wrong != nil {
		return refusal{wrong}
	}
	required := s.require.at.in(r.header, body)
	if s.require.at.set() && (whole || required != nil) && !holds(required, s.require.equals) {
		return refusal{answerError("answer does not hold what is required at %q", s.require.at)}
	}
	return nil
}

// beside takes up what stands beside the records of an answer that is whole: the
// epoch, the total, the watermark.
func (k *walk) beside(a *answer) error {
	if err := k.pageEpoch(a); err != nil {
		return err
	}
	if total := k.paging.total; total.set() {
		n, err := total.count(total.in(a.header, a.body))
		if err != nil {
			return err
		}
		k.guard.count(n)
	}
	if k.before == nil {
		return k.mark.place(a)
	}
	return nil
}

// unfinished says why a pass that came to its end has to be walked again; ""
// if it need not.
func (k *walk) unfinished() string {
	if k.passed && !k.guard.blind {
		return ""
	}
	return k.guard.unfinished(k.resumed())
}

// finish says on the last batch what the walk proves. That a slice is complete
// proves nothing yet.
func (k *walk) finish(b *syncer.Batch, header http.Header) (err error) {
	if k.slice != nil {
		k.last = true
		return nil
	}
	b.End, err = k.end(header)
	return err
}
