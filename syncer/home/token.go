package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// keptToken is a token, and when it was kept, in microseconds since 1970.
type keptToken struct {
	token string
	kept  int64
}

// Token is what was last kept by a name; "" if nothing was.
func (h *Home) Token(ctx context.Context, name string) (string, error) {
	token := ""
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, `SELECT token, kept FROM token WHERE name = ?`, &sqlitex.ExecOptions{
			Args: []any{name}, ResultFunc: func(s *sqlite.Stmt) error {
				token = s.ColumnText(0)
				h.tokens[name] = keptToken{token, s.ColumnInt64(1)}
				return nil
			}})
	})
	if err != nil {
		return "", fmt.Errorf("read token %q: %w", name, err)
	}
	return token, nil
}

// KeepToken keeps a token by a name, in place of the one before. When it
// returns, the token survives that the machine loses its power: whoever gave it
// may take the one before no more.
func (h *Home) KeepToken(ctx context.Context, name, token string) error {
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		if err := private(h.file); err != nil {
			return err
		}
		t := keptToken{token, time.Now().UnixMicro()}
		h.tokens[name] = t
		return durably(conn, func() error { return keep(conn, name, t, "") })
	})
	if err != nil {
		return fmt.Errorf("keep token %q: %w", name, err)
	}
	return nil
}

// unlessLater lets keep leave a token that was kept later than the one to keep.
const unlessLater = "WHERE excluded.kept > kept"

// keep writes a token in place of the one that is there, on a condition.
func keep(conn *sqlite.Conn, name string, t keptToken, condition string) error {
	return sqlitex.Execute(conn, `INSERT INTO token (name, token, kept) VALUES (?1, ?2, ?3)
		ON CONFLICT (name) DO UPDATE SET token = excluded.token, kept = excluded.kept `+condition,
		&sqlitex.ExecOptions{Args: []any{name, t.token, t.kept}})
}

// durably runs do so that what it commits survives a loss of power.
func durably(conn *sqlite.Conn, do func() error) (err error) {
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA synchronous = FULL", nil); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, sqlitex.ExecuteTransient(conn, "PRAGMA synchronous = NORMAL", nil))
	}()
	return do()
}

// private takes from others what rights they were given on the files since
// they were opened.
func private(file string) error {
	for _, path := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err == nil && info.Mode().Perm()&0o077 != 0:
			err = os.Chmod(path, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
