package simulation

import (
	"sync"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// sqliteSystem is what SQLite asks of the machine, of this whole process: the
// clock and sleep are those of the goroutine that asks, so that in a bubble they
// are the bubble's, and those who write to a log that is watched are heard first.
var sqliteSystem = sync.OnceValue(func() *system {
	tls := libc.NewTLS()
	defer tls.Close()
	vfs := at[lib.Tsqlite3_vfs](lib.Xsqlite3_vfs_find(tls, 0))
	s := &system{open: *at[openFile](address(&vfs.FxOpen))}
	vfs.FxCurrentTimeInt64 = pointer(&readClock)
	vfs.FxSleep = pointer(&sleep)
	s.opened, s.written = s.openFile, s.writeFile
	vfs.FxOpen = pointer(&s.opened)
	return s
})

type (
	openFile  = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	writeFile = func(tls *libc.TLS, file, bytes uintptr, n int32, offset int64) int32
)

// system has the functions that ours stand before, and who is told of writes.
type system struct {
	open, opened   openFile
	write, written writeFile
	patch          sync.Once
	// watched are those to ask by the path of a log, files by the file that SQLite
	// has open there.
	watched, files sync.Map
}

// watch has told asked ahead of every write to a file; half of it is written if
// it objects and says so.
func (s *system) watch(path string, asked func() (half bool, err error)) (end func()) {
	s.watched.Store(path, asked)
	return func() { s.watched.Delete(path) }
}

func (s *system) openFile(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	code := s.open(tls, vfs, name, file, flags, out)
	s.files.Delete(file)
	if code == lib.SQLITE_OK && flags&lib.SQLITE_OPEN_WAL != 0 {
		s.patch.Do(func() { // all logs have the same methods
			m := at[lib.Tsqlite3_io_methods](*at[uintptr](file))
			s.write = *at[writeFile](address(&m.FxWrite))
			m.FxWrite = pointer(&s.written)
		})
		if asked, ok := s.watched.Load(libc.GoString(name)); ok {
			s.files.Store(file, asked)
		}
	}
	return code
}

func (s *system) writeFile(tls *libc.TLS, file, bytes uintptr, n int32, offset int64) int32 {
	asked, ok := s.files.Load(file)
	if !ok {
		return s.write(tls, file, bytes, n, offset)
	}
	half, err := asked.(func() (bool, error))()
	if err == nil {
		return s.write(tls, file, bytes, n, offset)
	}
	if half {
		s.write(tls, file, bytes, n/2, offset)
	}
	return lib.SQLITE_IOERR_WRITE
}

// julian is how many milliseconds lie between the start of SQLite's calendar
// and that of Unix.
const julian = 210866760000000

var readClock = func(_ *libc.TLS, _, into uintptr) int32 {
	*at[int64](into) = julian + time.Now().UnixMilli()
	return lib.SQLITE_OK
}

var sleep = func(_ *libc.TLS, _ uintptr, microseconds int32) int32 {
	time.Sleep(time.Duration(microseconds) * time.Microsecond)
	return microseconds
}

// at is what the translated C has at an address.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// pointer is what the translated C takes for a pointer to a function, which must
// stay where it is.
func pointer[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }
