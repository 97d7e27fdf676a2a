package home

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Fill makes the disk full for this home: its file may not grow.
func (h *Home) Fill(ctx context.Context) error {
	return h.use(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, "PRAGMA max_page_count = 1", nil) // it takes what there is for the least
	})
}

// Enlarge gives the disk room again.
func (h *Home) Enlarge(ctx context.Context) error {
	return h.use(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, "PRAGMA max_page_count = 1000000", nil)
	})
}

// Hang makes the disk hang until the returned function is called.
func (h *Home) Hang(ctx context.Context) (release func()) {
	until, ended := make(chan struct{}), make(chan struct{})
	hangs := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.use(ctx, func(*sqlite.Conn) error { close(hangs); <-until; return nil })
	}()
	<-hangs
	return func() { close(until); <-ended }
}
