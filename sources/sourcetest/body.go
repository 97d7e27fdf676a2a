package sourcetest

import "strconv"

// body is an answer of JSON as it is written: what stands beside the records is
// collected apart.
type body struct {
	text   []byte
	beside []byte // the members of meta
	links  []byte
	into   *[]byte // the one whose value follows
	list   bool    // a record is written
}

// open begins the list of records.
func (b *body) open() { b.text = append(b.text, `{"data":[`...) }

// record appends a record; number is the one of its event, 0: none.
func (b *body) record(e *entry, number int64) {
	if b.list {
		b.text = append(b.text, ',')
	}
	b.list = true
	b.text = appendRecord(b.text, e, number)
}

func appendRecord(b []byte, e *entry, number int64) []byte {
	b = append(b, '{')
	if number > 0 {
		b = append(strconv.AppendInt(append(b, `"seq":`...), number, 10), ',')
	}
	return append(b, e.text...)
}

// meta and link begin a member, of which the value follows.
func (b *body) meta(name string) *body { return b.member(&b.beside, name) }
func (b *body) link(name string) *body { return b.member(&b.links, name) }

func (b *body) member(into *[]byte, name string) *body {
	b.into = into
	if len(*into) > 0 {
		*into = append(*into, ',')
	}
	*into = append(append(append(*into, '"'), name...), `":`...)
	return b
}

func (b *body) number(n int64)     { *b.into = strconv.AppendInt(*b.into, n, 10) }
func (b *body) flag(f bool)        { *b.into = strconv.AppendBool(*b.into, f) }
func (b *body) raw(text string)    { *b.into = append(*b.into, text...) }
func (b *body) quoted(text string) { *b.into = appendText(*b.into, text) }

// close ends the list and writes what stands beside it.
func (b *body) close() []byte {
	b.text = append(b.text, ']')
	if len(b.beside) > 0 {
		b.text = append(append(append(b.text, `,"meta":{`...), b.beside...), '}')
	}
	if len(b.links) > 0 {
		b.text = append(append(append(b.text, `,"links":{`...), b.links...), '}')
	}
	return append(b.text, "}\n"...)
}
