package feedtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Salesforce is the replication API of Salesforce for one object: the ids of
// what was updated and of what was deleted between two times, rows by id, and a
// query over everything.
//
// Times are cut down to the minute and must lie a minute apart. Both lists tell
// how far they reach, which is before everything that was begun by then and is
// not committed. Rows that are not there come as nulls. A list of too many ids
// is an error, and so is one from more than 30 days ago; deletions from before
// the last purge are missing from theirs without an error.
type Salesforce struct {
	Store
	// Most is how many ids a list can hold; 0: 600,000.
	Most int

	open     sync.Mutex
	begun    []*transaction
	earliest time.Time
}

// transaction is a write that is stamped and not yet committed.
type transaction struct {
	at   time.Time
	gone bool
}

const (
	salesforceBase = "/services/data/v60.0"
	salesforcePage = 2
	salesforceMost = 600_000
	salesforceTime = "2006-01-02T15:04:05.000-0700"
)

// Begin stamps a write of items, or with "" for a value their deletion. It is
// visible once commit is called.
func (s *Salesforce) Begin(value string, ids ...string) (commit func()) {
	t := &transaction{at: s.clock(), gone: value == ""}
	s.open.Lock()
	s.begun = append(s.begun, t)
	s.open.Unlock()
	return func() {
		s.open.Lock()
		s.begun = slices.DeleteFunc(s.begun, func(o *transaction) bool { return o == t })
		s.open.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range ids {
			s.log = append(s.log, Change{Seq: len(s.log) + 1, ID: id, Value: value, Gone: t.gone, At: t.at})
		}
	}
}

// Purge makes the owner forget which items were deleted so far.
func (s *Salesforce) Purge() {
	s.open.Lock()
	defer s.open.Unlock()
	s.earliest = s.clock()
}

// ServeHTTP answers below /services/data/v60.0.
func (s *Salesforce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	s.date(w)
	switch path := strings.TrimPrefix(r.URL.Path, salesforceBase); {
	case path == "/sobjects/Account/updated/":
		s.listed(w, r, false)
	case path == "/sobjects/Account/deleted/":
		s.listed(w, r, true)
	case path == "/composite/sobjects/Account":
		s.composite(w, r)
	case path == "/query" && strings.HasPrefix(r.URL.Query().Get("q"), "SELECT Id, Name"):
		s.query(w, cursor{upto: s.now()})
	case strings.HasPrefix(path, "/query/01g"):
		s.locate(w, strings.TrimPrefix(path, "/query/01g"))
	default:
		refuseSalesforce(w, http.StatusNotFound, "NOT_FOUND")
	}
}

// listed answers what changed in [start, end).
func (s *Salesforce) listed(w http.ResponseWriter, r *http.Request, gone bool) {
	q := r.URL.Query()
	start, err1 := time.Parse(salesforceTime, q.Get("start"))
	end, err2 := time.Parse(salesforceTime, q.Get("end"))
	start, end = start.Truncate(time.Minute), end.Truncate(time.Minute)
	if err1 != nil || err2 != nil || !end.After(start) || s.clock().Sub(start) > 30*24*time.Hour {
		refuseSalesforce(w, http.StatusBadRequest, "INVALID_REPLICATION_DATE")
		return
	}
	covered, earliest := s.reach(end, gone)
	ids, rows := []string{}, []object{}
	for _, c := range s.between(0, s.now(), true) {
		forgotten := gone && c.At.Before(earliest)
		if c.Gone == gone && !forgotten && !c.At.Before(start) && c.At.Before(end) {
			ids = append(ids, c.ID)
			rows = append(rows, object{"id": c.ID, "deletedDate": c.At.UTC().Format(salesforceTime)})
		}
	}
	if most := max(s.Most, 0); len(ids) > salesforceMost || most > 0 && len(ids) > most {
		refuseSalesforce(w, http.StatusBadRequest, "EXCEEDED_ID_LIMIT")
		return
	}
	body := object{"ids": ids, "latestDateCovered": covered.UTC().Format(salesforceTime)}
	if gone {
		delete(body, "ids")
		body["deletedRecords"], body["earliestDateAvailable"] = rows, earliest.UTC().Format(salesforceTime)
	}
	answer(w, http.StatusOK, body)
}

// reach is how far a list reaches, and how far back.
func (s *Salesforce) reach(end time.Time, gone bool) (covered, earliest time.Time) {
	s.open.Lock()
	defer s.open.Unlock()
	if covered = end; s.clock().Before(end) {
		covered = s.clock()
	}
	for _, t := range s.begun {
		if t.gone == gone && t.at.Before(covered) {
			covered = t.at
		}
	}
	return covered, s.earliest
}

// composite answers with rows in the order that is asked for.
func (s *Salesforce) composite(w http.ResponseWriter, r *http.Request) {
	ids := strings.Split(r.URL.Query().Get("ids"), ",")
	if r.URL.Query().Get("fields") == "" || len(ids) > 2000 {
		refuseSalesforce(w, http.StatusBadRequest, "MALFORMED_QUERY")
		return
	}
	rows := []any{}
	for _, id := range ids {
		row := any(nil)
		for _, c := range s.between(0, s.now(), false) {
			if c.ID == id {
				row = account(c)
			}
		}
		rows = append(rows, row)
	}
	answer(w, http.StatusOK, rows)
}

func account(c Change) object {
	return object{"attributes": object{"type": "Account"}, "Id": c.ID, "Name": c.Value, "SystemModstamp": c.At.UTC().Format(salesforceTime)}
}

// locate goes on with a query: what its locator holds is as it was.
func (s *Salesforce) locate(w http.ResponseWriter, locator string) {
	upto, skip, ok := strings.Cut(locator, "-")
	var at cursor
	var errs [2]error
	at.upto, errs[0] = strconv.Atoi(upto)
	at.skip, errs[1] = strconv.Atoi(skip)
	if !ok || errs[0] != nil || errs[1] != nil {
		refuseSalesforce(w, http.StatusBadRequest, "INVALID_QUERY_LOCATOR")
		return
	}
	s.query(w, at)
}

func (s *Salesforce) query(w http.ResponseWriter, at cursor) {
	all := s.between(0, at.upto, false)
	page, next := at.page(all, salesforcePage)
	rows := []object{}
	for _, c := range page {
		rows = append(rows, account(c))
	}
	body := object{"totalSize": len(all), "done": next == nil, "records": rows}
	if next != nil {
		body["nextRecordsUrl"] = salesforceBase + "/query/01g" + strconv.Itoa(next.upto) + "-" + strconv.Itoa(next.skip)
	}
	answer(w, http.StatusOK, body)
}

func refuseSalesforce(w http.ResponseWriter, status int, code string) {
	answer(w, status, []object{{"message": "refused", "errorCode": code}})
}
