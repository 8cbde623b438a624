package transform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.starlark.net/starlark"
)

// The limits of one Execute; doc.go tells them to users.
const (
	maxSteps    = 100_000 // of the interpreter, for each alternative
	maxTime     = time.Second
	maxMade     = 8 << 20 // bytes of strings and lists, for each alternative
	maxResult   = 1 << 20
	maxElements = 1 << 20 // of a list that one function makes

	madePerItemByte   = 32
	resultPerItemByte = 8

	elementCost = 32 // bytes that a value takes besides its text
)

// run is one Execute: the items and what is left of the limits.
type run struct {
	it        *Items
	ctx       context.Context
	cancel    context.CancelFunc // set once the time limit runs
	timeLimit time.Duration      // of all alternatives together
	made      int                // allowance of each alternative
	maxResult int
	left      int // of the current alternative
	thread    *starlark.Thread
	patterns  expressionCache
}

func newRun(ctx context.Context, t *Template, it *Items) *run {
	size := 0
	for name := range t.uses {
		size += itemByName[name].size(it)
	}
	return &run{
		it: it, ctx: ctx, timeLimit: t.timeLimit,
		made:      maxMade + madePerItemByte*size,
		maxResult: maxResult + resultPerItemByte*size,
	}
}

func (r *run) close() {
	if r.cancel != nil {
		r.cancel()
	}
}

// evaluate gives the text of an alternative.
func (a *alternative) evaluate(r *run) (string, error) {
	switch {
	case a.function != nil:
		return a.call(r)
	case len(a.items) == 1:
		return itemByName[a.items[0]].string(r.it), nil
	}
	return a.constant, nil
}

// call runs a compiled alternative under the limits.
func (a *alternative) call(r *run) (text string, err error) {
	if r.cancel == nil {
		r.ctx, r.cancel = context.WithTimeoutCause(r.ctx, r.timeLimit, errLimit("time", r.timeLimit))
	}
	if r.ctx.Err() != nil {
		return "", context.Cause(r.ctx)
	}
	thread := &starlark.Thread{Name: "template"}
	thread.SetMaxExecutionSteps(maxSteps)
	thread.SetLocal(runKey, r)
	stop := context.AfterFunc(r.ctx, func() { thread.Cancel(context.Cause(r.ctx).Error()) })
	defer stop()
	defer func() { // a fault of the interpreter costs one alternative, not the server
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("internal error: %v", p)
		}
	}()
	r.thread, r.left, r.patterns = thread, r.made, a.expressions
	args := make(starlark.Tuple, len(a.items))
	for i, name := range a.items {
		args[i] = itemByName[name].value(r.it)
	}
	v, err := starlark.Call(thread, a.function, args, nil)
	if err != nil {
		return "", err
	}
	return resultText(v)
}

// failed adds the place of the alternative to its error.
func (a *alternative) failed(err error) error {
	return fmt.Errorf("line %d, column %d: %w", a.line, a.column, err)
}

func errLimit(what string, limit any) error {
	return fmt.Errorf("%s over the limit of %v", what, limit)
}

// spend takes n bytes from what the alternative may make.
func (r *run) spend(n int) error {
	if n < 0 || n > r.left {
		return errLimit("strings and lists", r.made)
	}
	r.left -= n
	return nil
}

// elements checks a list of n elements before it is made.
func (r *run) elements(n int) error {
	if n > maxElements {
		return errLimit("list", maxElements)
	}
	if n > r.left/elementCost {
		return errLimit("strings and lists", r.made)
	}
	return nil
}

// charge spends the size of a value, that of all its elements included: then
// the text of a list cannot be much longer than what was spent on the list,
// however often it holds the same element.
func (r *run) charge(v starlark.Value) error {
	if err := r.spend(elementCost); err != nil {
		return err
	}
	switch v := v.(type) {
	case starlark.String:
		return r.spend(len(v))
	case starlark.Int:
		return r.spend(v.BigInt().BitLen() / 8)
	case starlark.Indexable: // list, tuple, range
		for i := range v.Len() {
			if err := r.charge(v.Index(i)); err != nil {
				return err
			}
		}
	case *starlark.Dict:
		for k, element := range v.Entries() {
			if err := errors.Join(r.charge(k), r.charge(element)); err != nil {
				return err
			}
		}
	}
	return nil
}
