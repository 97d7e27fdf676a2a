package web

import (
	"net/http"
	"time"
)

// mostSilence is how long no judgement may come before we say that larder is
// stuck. They come once a second.
const mostSilence = 10 * time.Second

// Handler is all that the server answers, without the bounds of Run.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	show := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, s.byName(methods(h, http.MethodGet, http.MethodHead)))
	}
	show("/ping", s.ping)
	show("/ready", s.ready)
	if s.options.Metrics != nil {
		show("/metrics", s.forReaders(s.options.Metrics))
	}
	mux.HandleFunc("/nudge/{name}", methods(s.nudge, http.MethodPost))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing here", "GET /ping, /ready or /metrics, or POST /nudge/NAME")
	})
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "request comes from a page of another origin", "send it from a server, not from a browser")
	}))
	guarded := guard.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		guarded.ServeHTTP(w, r)
	})
}

// ping answers for as long as judgements come. It is for who restarts what is
// stuck: no restart makes a copy fresher, so staleness never fails it. It needs
// no token and tells nothing but that.
func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	last := *s.judged.Load()
	if time.Since(last) > mostSilence {
		refuse(w, http.StatusServiceUnavailable,
			"copies have not been judged since "+last.UTC().Format(time.RFC3339), "larder is stuck: restart it, and report the log")
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok", "judged": last.UTC().Format(time.RFC3339)})
}

// ready says whether larder works yet. Why it does not is for those who may
// read: it names databases.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	var err error
	if s.options.Ready != nil {
		err = s.options.Ready()
	}
	switch {
	case err == nil:
		answer(w, http.StatusOK, map[string]string{"status": "ready"})
	case s.reader(r):
		refuse(w, http.StatusServiceUnavailable, "not ready: "+err.Error(), "wait, or look at larder status and the log")
	default:
		refuse(w, http.StatusServiceUnavailable, "not ready", "wait, or ask with a token for why")
	}
}
