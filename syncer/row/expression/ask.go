package expression

import (
	"errors"
	"fmt"
	"sync"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// prepared is an expression that records can be asked by.
type prepared struct {
	program *vm.Program
	fields  []field
	// parts are the texts of the expression's parts by where they stand.
	parts map[int]string
	runs  sync.Pool // of *run
}

type field struct {
	path string
	name string // of the variable
	slot int    // -1: not known
}

// run is what asking one record needs; another one may use it next.
type run struct {
	vm    vm.VM
	env   map[string]any
	meter meter
}

// ask runs the expression on a record. Broken text is read with marks in place
// of what is broken, or, for exact reading, is an error.
func (p *prepared) ask(slots [][]byte, exact bool) (any, error) {
	r, _ := p.runs.Get().(*run)
	if r == nil {
		r = &run{vm: vm.VM{MemoryBudget: maxMemory}, env: make(map[string]any, len(p.fields)+1)}
	}
	defer func() {
		clear(r.env)
		p.runs.Put(r)
	}()
	size := 0
	for _, f := range p.fields {
		if f.slot < 0 {
			return nil, fmt.Errorf("path %q has no slot", f.path)
		}
		var raw []byte
		if f.slot < len(slots) {
			raw = slots[f.slot]
		}
		v, err := decode(raw, exact)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.path, err)
		}
		r.env[f.name] = v
		size += len(raw)
	}
	r.meter.start(size)
	r.env[meterVar] = &r.meter
	out, err := r.vm.Run(p.program, r.env)
	if err != nil {
		return nil, p.located(err)
	}
	return out, nil
}

// located names the part of the expression that an error comes from.
func (p *prepared) located(err error) error {
	at, ok := errors.AsType[*file.Error](err)
	if !ok {
		return errors.New(shown(err.Error()))
	}
	if part := p.parts[at.From]; part != "" {
		return fmt.Errorf("%s (column %d): %s", part, at.Column+1, shown(at.Message))
	}
	return fmt.Errorf("column %d: %s", at.Column+1, shown(at.Message))
}

// condition is a row.Condition.
type condition struct{ *prepared }

// Holds implements row.Condition.
func (c *condition) Holds(slots [][]byte) (bool, error) {
	out, err := c.ask(slots, false)
	if err != nil {
		return false, fmt.Errorf("where: %w", err)
	}
	holds, err := truth(out)
	if err != nil {
		return false, fmt.Errorf("where: the whole %w", err)
	}
	return holds, nil
}

// value is a row.Expression.
type value struct {
	*prepared
	// rounds says that a number without end becomes the nearest double.
	rounds bool
}

// Value implements row.Expression.
func (e *value) Value(slots [][]byte) ([]byte, error) {
	out, err := e.ask(slots, true)
	if err == nil {
		var text []byte
		if text, err = encode(out, e.rounds); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("is not computed: %w", err)
}
