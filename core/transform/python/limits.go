package python

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.starlark.net/starlark"
)

// The limits of one run; doc.go of package transform tells them to users.
const (
	MaxTime = time.Second // of all expressions of a template together

	maxSteps    = 100_000 // of the interpreter, for each alternative
	maxMade     = 8 << 20 // bytes of strings and lists, for each alternative
	maxResult   = 1 << 20
	maxElements = 1 << 20 // of a list that one function makes

	madePerByteRead   = 32
	resultPerByteRead = 8

	elementCost = 32 // bytes that a value takes besides its text

	budgetSteps = 2_000_000
	budgetBytes = 256 << 20
)

// Budget is what the runs of one message may use together: steps, and bytes read
// and made. A message has a thousand recipients, and each has its runs.
type Budget struct {
	steps, bytes int
}

// NewBudget gives the whole of it.
func NewBudget() *Budget { return &Budget{steps: budgetSteps, bytes: budgetBytes} }

// Run evaluates the expressions of one template once: the values and what is
// left of the limits. It is for one goroutine.
type Run struct {
	values    Values
	ctx       context.Context
	cancel    context.CancelFunc // set once the time limit runs
	timeLimit time.Duration
	made      int // allowance of each alternative
	maxResult int
	left      int // of the current alternative
	thread    *starlark.Thread
	patterns  expressionCache
	budget    *Budget // nil: only the limits of each run
}

// Within makes the run one of several that share a budget.
func (r *Run) Within(b *Budget) { r.budget = b }

// NewRun makes a run of expressions that read names; the limits grow with the
// size of their values. timeLimit is MaxTime, but for tests. Values that are
// read alone and strings are evaluated even when ctx is done. Close ends the run.
func NewRun(ctx context.Context, names Names, v Values, timeLimit time.Duration) *Run {
	size := 0
	for name, kind := range names {
		size += read{name, kind}.size(v)
	}
	return &Run{
		values: v, ctx: ctx, timeLimit: timeLimit,
		made:      maxMade + madePerByteRead*size,
		maxResult: maxResult + resultPerByteRead*size,
	}
}

// Close frees what the run holds.
func (r *Run) Close() {
	if r.cancel != nil {
		r.cancel()
	}
}

// call runs the function of an alternative under the limits.
func (r *Run) call(a *alternative) (text string, err error) {
	if r.cancel == nil {
		r.ctx, r.cancel = context.WithTimeoutCause(r.ctx, r.timeLimit, errLimit("time", r.timeLimit))
	}
	if r.ctx.Err() != nil {
		return "", context.Cause(r.ctx)
	}
	steps := maxSteps
	r.left = r.made
	if b := r.budget; b != nil {
		for _, name := range a.reads {
			b.bytes -= name.size(r.values)
		}
		if b.steps <= 0 || b.bytes <= 0 {
			return "", errors.New("the jobs of this message have used up what its templates may take")
		}
		steps, r.left = min(steps, b.steps), min(r.left, b.bytes)
	}
	allowance := r.left
	thread := &starlark.Thread{Name: "template"}
	thread.SetMaxExecutionSteps(uint64(steps))
	if b := r.budget; b != nil {
		defer func() {
			b.steps -= int(thread.ExecutionSteps())
			b.bytes -= allowance - r.left
		}()
	}
	thread.SetLocal(runKey, r)
	stop := context.AfterFunc(r.ctx, func() { thread.Cancel(context.Cause(r.ctx).Error()) })
	defer stop()
	defer func() { // a fault of the interpreter costs one alternative, not the server
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("internal error: %v", p)
		}
	}()
	r.thread, r.patterns = thread, a.patterns
	args := make(starlark.Tuple, len(a.reads))
	for i, name := range a.reads {
		args[i] = name.value(r.values)
	}
	v, err := starlark.Call(thread, a.function, args, nil)
	if err != nil {
		return "", err
	}
	return resultText(v)
}

func errLimit(what string, limit any) error {
	return fmt.Errorf("%s over the limit of %v", what, limit)
}

// spend takes n bytes from what the alternative may make.
func (r *Run) spend(n int) error {
	if n < 0 || n > r.left {
		return errLimit("strings and lists", r.made)
	}
	r.left -= n
	return nil
}

// elements checks a list of n elements before it is made.
func (r *Run) elements(n int) error {
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
func (r *Run) charge(v starlark.Value) error {
	if err := r.spend(elementCost); err != nil {
		return err
	}
	switch v := v.(type) {
	case starlark.String:
		return r.spend(len(v))
	case starlark.Int:
		return r.spend(v.BigInt().BitLen() / 8)
	case *match:
		return r.spend(8 * len(v.places))
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
