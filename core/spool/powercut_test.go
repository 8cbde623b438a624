package spool

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The power-cut model: from a trace of the calls of a Spool it builds the disks
// that a power cut could leave, and recovers each.
//
//   - A file that was not synced is empty, cut short, or whole. After a sync that
//     failed, so it stays.
//   - Names that were not synced (made, renamed, removed) are there or not, in
//     any subset: a rename is whole or missing, and syncing either of its two
//     directories brings it to disk.
//   - A directory that is missing takes with it what is in it.

// manyStates bounds the disks that are built for one moment; where there could
// be more, so many are drawn by lot.
var manyStates = flag.Int("powercuts", 24, "disks that are built for one moment of a power cut")

// node is a file on the model's disk.
type node struct {
	dir     bool
	written []byte
	synced  int  // bytes
	lost    bool // a sync has failed: no later one brings its pages to disk
}

func (n *node) sync() {
	if !n.lost {
		n.synced = len(n.written)
	}
}

// nameChange is a change of names that was made in memory.
type nameChange struct {
	path, from string // from: a rename
	node       *node  // nil: removed
	synced     bool
}

// tracer notes the calls of a Spool below root, and what its client was told.
type tracer struct {
	mu     sync.Mutex
	events []traceEvent
}

type traceEvent struct {
	diskCall
	told *told
}

// told is what the client of a message was told of it.
type told struct {
	stems        []string
	acknowledged bool
}

func (tr *tracer) note(c diskCall) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	c.data = bytes.Clone(c.data)
	tr.events = append(tr.events, traceEvent{diskCall: c})
}

func (tr *tracer) tell(stems []string, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, traceEvent{told: &told{stems, err == nil}})
}

// diskModel is the disk after some of the events.
type diskModel struct {
	files   map[*file]*node
	names   map[string]*node
	changes []*nameChange
	told    []*told
}

// replay is the disk after the events, on one that held only base.
func replay(base cut, events []traceEvent) *diskModel {
	m := &diskModel{files: map[*file]*node{}, names: map[string]*node{}}
	nodes := map[*[]byte]*node{}
	for path, data := range base {
		n := nodes[data]
		switch {
		case data == nil:
			n = &node{dir: true}
		case n == nil:
			n = &node{written: *data, synced: len(*data)}
			nodes[data] = n
		}
		m.change(path, "", n)
	}
	for _, c := range m.changes {
		c.synced = true
	}
	for _, e := range events {
		if e.told != nil {
			m.told = append(m.told, e.told)
			continue
		}
		m.apply(e.diskCall)
	}
	return m
}

func (m *diskModel) apply(c diskCall) {
	switch c.op {
	case "mkdir":
		m.change(c.path, "", &node{dir: true})
	case "create":
		n := &node{}
		m.files[c.file] = n
		m.change(c.path, "", n)
	case "write":
		n := m.files[c.file]
		n.written = append(n.written, c.data...)
	case "sync":
		m.files[c.file].sync()
	case "failed sync":
		m.names[c.path].lost = true
	case "failed syncfs":
		for _, n := range m.files {
			n.lost = n.lost || n.synced < len(n.written)
		}
	case "link":
		m.change(c.path, "", m.names[c.from])
	case "rename", "replace":
		m.change(c.path, c.from, m.names[c.from])
	case "remove":
		for _, p := range m.below(c.path) {
			m.change(p, "", nil)
		}
	case "syncdir":
		m.syncNames(func(dir string) bool { return dir == c.path })
	case "syncfs":
		m.syncNames(func(string) bool { return true })
		for _, n := range m.files {
			n.sync()
		}
	}
}

// below is the name and all names below it, deepest first.
func (m *diskModel) below(path string) []string {
	var found []string
	for p := range m.names {
		if p == path || strings.HasPrefix(p, path+string(filepath.Separator)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(b, a) })
	return found
}

func (m *diskModel) change(path, from string, n *node) {
	setName(m.names, path, from, n)
	m.changes = append(m.changes, &nameChange{path: path, from: from, node: n})
}

func setName(names map[string]*node, path, from string, n *node) {
	if from != "" {
		delete(names, from)
	}
	if n == nil {
		delete(names, path)
		return
	}
	names[path] = n
}

func (m *diskModel) syncNames(in func(dir string) bool) {
	for _, c := range m.changes {
		if in(filepath.Dir(c.path)) || c.from != "" && in(filepath.Dir(c.from)) {
			c.synced = true
		}
	}
}

// cut is one disk after the power cut: by path, with content; a directory is nil.
type cut map[string]*[]byte

func (c cut) sum(seed maphash.Seed, told []*told) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, path := range sortedKeys(c) {
		fmt.Fprintf(&h, "%s\x00", path)
		if data := c[path]; data != nil {
			fmt.Fprintf(&h, "%d %s", len(*data), *data)
		}
	}
	for _, t := range told {
		fmt.Fprintf(&h, "%v", *t)
	}
	return h.Sum64()
}

func sortedKeys(c cut) []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// cuts calls f for the disks that a power cut could leave now.
func (m *diskModel) cuts(r *rand.Rand, maxStates int, f func(cut)) {
	open, torn := m.open()
	states := 1
	for range open {
		states = min(states*2, maxStates+1)
	}
	for range torn {
		states = min(states*3, maxStates+1)
	}
	if states > maxStates {
		f(m.cut(open, torn, func(int) int { return 0 }))
		f(m.cut(open, torn, func(n int) int { return n - 1 }))
		for range maxStates - 2 {
			f(m.cut(open, torn, r.IntN))
		}
		return
	}
	for s := range states {
		rest := s
		f(m.cut(open, torn, func(n int) int {
			digit := rest % n
			rest /= n
			return digit
		}))
	}
}

// hasControlTwice says whether a CTL has the name from before a rename and one from a
// rename behind it, which no file system leaves.
func (c cut) hasControlTwice() bool {
	seen := map[*[]byte]bool{}
	for path, data := range c {
		if !strings.HasSuffix(path, controlSuffix) {
			continue
		}
		if seen[data] {
			return true
		}
		seen[data] = true
	}
	return false
}

// open are the changes of names, and the files, that are not on disk.
func (m *diskModel) open() (open []*nameChange, torn []*node) {
	for _, c := range m.changes {
		if !c.synced {
			open = append(open, c)
		}
	}
	for _, n := range m.files {
		if n.synced < len(n.written) {
			torn = append(torn, n)
		}
	}
	slices.SortFunc(torn, func(a, b *node) int { return bytes.Compare(a.written, b.written) })
	return open, torn
}

// cutsInOrder is cuts of a file system that keeps changes of names in order.
func (m *diskModel) cutsInOrder(r *rand.Rand, maxStates int, f func(cut)) {
	open, torn := m.open()
	for range maxStates {
		kept := r.IntN(len(open) + 1)
		f(m.cut(open, torn, func(choices int) int {
			if choices > 2 {
				return r.IntN(choices)
			}
			kept--
			return min(max(kept+1, 0), 1)
		}))
	}
}

// cut is the disk on which choose has decided the fate of each change and file.
func (m *diskModel) cut(open []*nameChange, torn []*node, choose func(n int) int) cut {
	lost := map[*nameChange]bool{}
	for _, c := range open {
		lost[c] = choose(2) == 0
	}
	names := map[string]*node{}
	for _, c := range m.changes {
		if !lost[c] {
			setName(names, c.path, c.from, c.node)
		}
	}
	content := map[*node]*[]byte{} // one for all links to a file
	for _, n := range torn {
		kept := [3]int{n.synced, (n.synced + len(n.written)) / 2, len(n.written)}[choose(3)]
		data := n.written[:kept]
		content[n] = &data
	}
	disk := cut{}
	for path, n := range names {
		if !n.dir && content[n] == nil {
			content[n] = &n.written
		}
		disk[path] = content[n]
	}
	return disk
}

// build makes the disk below root, where only the folders stay.
func (c cut) build(t testing.TB, root string, folders []string) {
	t.Helper()
	for _, dir := range append([]string{root}, folders...) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); !slices.Contains(folders, path) {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	made := map[*[]byte]string{}
	for _, path := range sortedKeys(c) { // a directory before what is in it
		var err error
		data := c[path]
		switch {
		case data == nil:
			err = os.Mkdir(path, stagingMode)
		case made[data] != "":
			err = os.Link(made[data], path)
		default:
			if err = os.WriteFile(path, *data, fileMode); err == nil {
				made[data] = path
			}
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // its directory is missing
			t.Fatal(err)
		}
	}
}

// outcome is the messages of a trace, as far as they went.
type outcome struct{ stems []string }

// scenario is messages that are delivered one after the other while the trace
// is taken.
type scenario struct {
	shape    shape
	mails    int
	reader   string // folder to which each job is moved the moment it appears; none if empty
	inOrder  bool   // and the file system keeps renames in order
	together bool   // all are staged before the first is committed
	limit    int
	fail     func(n int, c call) error
}

// wantPromiseKept checks the folders after recovery: all jobs of a message or
// none, all if it was acknowledged, none if it was refused, and nothing half.
func wantPromiseKept(t testing.TB, folders []string, messages []outcome, toldOf []*told) {
	t.Helper()
	shown := map[string]bool{}
	for _, folder := range folders {
		for _, stem := range visible(t, folder) {
			if shown[stem] {
				t.Errorf("job %s is visible twice", stem)
			}
			shown[stem] = true
		}
	}
	for _, m := range messages {
		n := 0
		for _, stem := range m.stems {
			if shown[stem] {
				n++
			}
		}
		if n != 0 && n != len(m.stems) {
			t.Errorf("%d of the jobs %q are visible", n, m.stems)
		}
		for _, told := range toldOf {
			if !slices.Equal(told.stems, m.stems) {
				continue
			}
			if told.acknowledged && n == 0 {
				t.Errorf("acknowledged and lost: %q", m.stems)
			}
			if !told.acknowledged && n > 0 {
				t.Errorf("refused and visible: %q", m.stems)
			}
		}
	}
	wantNothingStaged(t, folders...)
}

// tracedDelivery delivers the mails of a scenario and returns the trace.
func tracedDelivery(t *testing.T, of scenario, root string, folders []string) ([]traceEvent, []outcome) {
	t.Helper()
	tr := &tracer{}
	w := &watcher{whole: of.shape.whole, disorder: of.reader != "" && !of.inOrder}
	d := w.disk()
	d.traceForTesting = func(c diskCall) {
		tr.note(c)
		stem, shown := strings.CutSuffix(filepath.Base(c.path), controlSuffix)
		if of.reader == "" || !shown || c.op != "rename" || !slices.Contains(folders, filepath.Dir(c.path)) {
			return
		}
		for _, suffix := range []string{controlSuffix, ".txt", attachment} {
			from, to := filepath.Join(filepath.Dir(c.path), stem+suffix), filepath.Join(of.reader, stem+suffix)
			if err := os.Rename(from, to); err != nil {
				t.Error(err)
			}
			tr.note(diskCall{op: "rename", path: to, from: from})
		}
	}
	s := openSpool(t, Config{StateDirectory: filepath.Join(root, "state")}, d)
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	w.reset(func(n int, c call) error {
		if of.fail == nil {
			return nil
		}
		err := of.fail(n, c)
		if err != nil && (c.op == "sync" || c.op == "syncfs") {
			tr.note(diskCall{op: "failed " + c.op, path: c.path})
		}
		return err
	})
	if of.shape.faults != nil {
		w.reset(of.shape.faults)
	}
	messages := make([]outcome, of.mails)
	batches, errs := make([]*Batch, of.mails), make([]error, of.mails)
	steps := []func(i int){
		func(i int) {
			batches[i] = s.NewBatch()
			errs[i] = of.shape.fill(batches[i], pick(folders, of.shape.folders))
			for _, j := range batches[i].jobs {
				messages[i].stems = append(messages[i].stems, j.Stem())
			}
		},
		func(i int) {
			if errs[i] == nil {
				errs[i] = batches[i].Stage(context.Background())
			}
		},
		func(i int) {
			if errs[i] == nil {
				errs[i] = batches[i].Commit(context.Background())
			}
			batches[i].Abort()
			tr.tell(messages[i].stems, errs[i])
		},
	}
	if of.together {
		for _, step := range steps {
			for i := range of.mails {
				step(i)
			}
		}
	} else {
		for i := range of.mails {
			for _, step := range steps {
				step(i)
			}
		}
	}
	w.reset(nil)
	abandon(s)
	return tr.events, messages
}

// powerCuts recovers all disks of all moments of a trace, and returns how many
// there were. It stops at the first that breaks a promise.
func powerCuts(t testing.TB, root string, folders []string, events []traceEvent, messages []outcome, limit int) int {
	t.Helper()
	seed, seen := maphash.MakeSeed(), map[uint64]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range len(events) + 1 {
		m := replay(nil, events[:n])
		m.cuts(r, limit, func(c cut) {
			sum := c.sum(seed, m.told)
			if seen[sum] || t.Failed() {
				return
			}
			seen[sum] = true
			c.build(t, root, folders)
			recoverWith(t, nil, folders...)
			wantPromiseKept(t, folders, messages, m.told)
			if t.Failed() {
				logCut(t, root, events[:n], c)
			}
		})
	}
	return len(seen)
}

func logCut(t testing.TB, root string, events []traceEvent, c cut) {
	t.Helper()
	short := func(path string) string { return strings.TrimPrefix(path, root) }
	for i, e := range events {
		if e.told != nil {
			t.Logf("%3d told %v", i, *e.told)
			continue
		}
		t.Logf("%3d %s %s <- %s (%d bytes)", i, e.op, short(e.path), short(e.from), len(e.data))
	}
	for _, path := range sortedKeys(c) {
		if data := c[path]; data != nil {
			t.Logf("on disk: %s %q", short(path), *data)
		}
	}
}

func runPowerCuts(t *testing.T, of scenario) int {
	t.Helper()
	root, folders := modelRoot(t)
	events, messages := tracedDelivery(t, of, root, folders)
	return powerCuts(t, root, folders, events, messages, cmp.Or(of.limit, *manyStates))
}

// modelRoot makes the place of the disks, and the output folders on it.
func modelRoot(t *testing.T) (root string, folders []string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "disk")
	folders = []string{filepath.Join(root, "out0"), filepath.Join(root, "out1")}
	for _, folder := range folders {
		mkdirs(t, folder)
	}
	return root, folders
}

// Power is cut at every moment of a delivery.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			if n := runPowerCuts(t, scenario{shape: shape, mails: 1}); n < 25 {
				t.Errorf("only %d disks were built", n)
			} else {
				t.Logf("%d disks", n)
			}
		})
	}
}

// Power is cut while, and after, a delivery fails on a sync: what was refused
// must not appear.
func TestPowerCutAroundFailedSync(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		if shape.faults != nil {
			continue
		}
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				syncs, failed := 0, false
				n := runPowerCuts(t, scenario{shape: shape, mails: 1, limit: *manyStates / 6, fail: func(_ int, c call) error {
					if strings.HasPrefix(c.op, "sync") && !strings.Contains(c.path, "state") {
						if syncs++; syncs == k {
							failed = true
							return syscall.EIO
						}
					}
					return nil
				}})
				t.Logf("sync %d: %d disks", k, n)
				if !failed {
					break
				}
			}
		})
	}
}

// Of two messages one meets the sync that fails; the other one's sync behind it must
// not be taken for both.
func TestPowerCutOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		for k := 0; ; k++ {
			syncs, failed := 0, false
			n := runPowerCuts(t, scenario{shape: shape{folders: []int{0}, fill: fillPlain, whole: whole}, mails: 2, together: true, limit: *manyStates / 4,
				fail: func(_ int, c call) error {
					if strings.HasPrefix(c.op, "sync") && !strings.Contains(c.path, "state") {
						if syncs++; syncs == k {
							failed = true
							return syscall.EIO
						}
					}
					return nil
				}})
			t.Logf("syncfs %t, sync %d fails: %d disks", whole, k, n)
			if k > 0 && !failed || t.Failed() {
				break
			}
		}
	}
}

// A reader takes each job the moment it appears, CTL first: whatever of his moves the
// power cut takes back, no file of a job that is there is lost.
func TestPowerCutBesideAReader(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		numbers []int
		inOrder bool
	}{
		"one job": {[]int{0}, false}, "three jobs": {[]int{0, 1, 0}, false},
		"one job, renames in order": {[]int{0}, true}, "three jobs, renames in order": {[]int{0, 1, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, folders := modelRoot(t)
			taken := filepath.Join(root, "taken")
			mkdirs(t, taken)
			all := append([]string{taken}, folders...)
			events, messages := tracedDelivery(t, scenario{shape: shapeOf(tt.numbers), mails: 1, reader: taken, inOrder: tt.inOrder}, root, folders)
			moved := 0
			for _, e := range events {
				if e.op == "rename" && filepath.Dir(e.path) == taken {
					moved++
				}
			}
			if moved != 3*len(tt.numbers) {
				t.Fatalf("the reader moved %d files", moved)
			}
			r := rand.New(rand.NewPCG(1, 2))
			for n := range len(events) + 1 {
				m := replay(nil, events[:n])
				cuts := m.cuts
				if tt.inOrder {
					cuts = m.cutsInOrder
				}
				cuts(r, *manyStates/2, func(c cut) {
					if t.Failed() || c.hasControlTwice() {
						return
					}
					c.build(t, root, all)
					recoverWith(t, nil, folders...)
					// His move of a data file may be kept while no move of its CTL is: then
					// showing the CTL would show half of a job.
					if aside, _ := filepath.Glob(filepath.Join(root, "*", stagingName, "*"+asideSuffix)); len(aside) > 0 && !tt.inOrder && len(m.told) == 0 {
						return
					}
					files := map[string]string{}
					for _, folder := range all {
						for _, name := range list(t, folder) {
							data, err := os.ReadFile(filepath.Join(folder, name))
							if err != nil {
								t.Fatal(err)
							}
							files[name] = string(data)
						}
					}
					there := 0
					for _, stem := range messages[0].stems {
						if _, ok := files[stem+controlSuffix]; !ok {
							continue
						}
						there++
						if files[stem+".txt"] != "text of "+stem || files[stem+attachment] != "attachment" {
							t.Errorf("job %s is there, of its files %q", stem, slices.Sorted(maps.Keys(files)))
						}
					}
					if there != 0 && there != len(tt.numbers) || there == 0 && len(m.told) > 0 {
						t.Errorf("%d jobs of %d are there, acknowledged: %t", there, len(tt.numbers), len(m.told) > 0)
					}
					wantNothingStaged(t, folders...)
					if t.Failed() {
						logCut(t, root, events[:n], c)
					}
				})
			}
		})
	}
}

// Power is cut a second time, at every moment of the recovery.
func TestPowerCutOfRecovery(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			root, folders := modelRoot(t)
			events, messages := tracedDelivery(t, scenario{shape: shape, mails: 1}, root, folders)
			r := rand.New(rand.NewPCG(1, 2))
			seed, seen := maphash.MakeSeed(), map[uint64]bool{}
			for n := range len(events) + 1 {
				first := replay(nil, events[:n])
				first.cuts(r, 4, func(c cut) {
					if sum := c.sum(seed, first.told); t.Failed() || seen[sum] {
						return
					} else {
						seen[sum] = true
					}
					c.build(t, root, folders)
					again := tracedRecovery(t, root, folders)
					for k := range len(again) + 1 {
						second := replay(c, again[:k])
						second.cuts(r, 4, func(c2 cut) {
							sum := c2.sum(seed, first.told)
							if t.Failed() || seen[sum] {
								return
							}
							seen[sum] = true
							c2.build(t, root, folders)
							recoverWith(t, nil, folders...)
							wantPromiseKept(t, folders, messages, first.told)
							if t.Failed() {
								logCut(t, root, append(slices.Clone(events[:n]), again[:k]...), c2)
							}
						})
					}
				})
			}
			if t.Logf("%d disks", len(seen)); len(seen) < 50 {
				t.Errorf("only %d disks were built", len(seen))
			}
		})
	}
}

func tracedRecovery(t *testing.T, root string, folders []string) []traceEvent {
	t.Helper()
	tr := &tracer{}
	d := (&watcher{}).disk()
	d.traceForTesting = tr.note
	s := openSpool(t, Config{StateDirectory: filepath.Join(root, "state")}, d)
	if err := s.Use(folders); err != nil {
		t.Fatal(err)
	}
	abandon(s)
	return tr.events
}

// The process is killed, another one settles what it finds, much of which is only
// in the cache yet, and then power is cut: "in the same boot" must not be read as
// "on disk".
func TestPowerCutAfterKill(t *testing.T) {
	t.Parallel()
	for _, shape := range batches {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			root, folders := modelRoot(t)
			events, messages := tracedDelivery(t, scenario{shape: shape, mails: 1}, root, folders)
			r := rand.New(rand.NewPCG(1, 2))
			seed, seen := maphash.MakeSeed(), map[uint64]bool{}
			for n := range len(events) + 1 {
				killed := replay(nil, events[:n])
				killed.cut(nil, nil, nil).build(t, root, folders) // all that was written is in the cache
				after := append(slices.Clone(events[:n]), tracedRecovery(t, root, folders)...)
				for k := n; k <= len(after); k++ {
					m := replay(nil, after[:k])
					m.cuts(r, *manyStates/8, func(c cut) {
						sum := c.sum(seed, m.told)
						if t.Failed() || seen[sum] {
							return
						}
						seen[sum] = true
						c.build(t, root, folders)
						recoverWith(t, nil, folders...)
						wantPromiseKept(t, folders, messages, m.told)
						if t.Failed() {
							logCut(t, root, after[:k], c)
						}
					})
				}
			}
			t.Logf("%d disks", len(seen))
		})
	}
}

// verdict takes the place of a test that is expected to fail.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Errorf(string, ...any) { v.failed = true }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (v *verdict) Logf(string, ...any)   {}
func (v *verdict) Failed() bool          { return v.failed }

// A spool that leaves out any one kind of sync, or asks for it on a disk that
// only says yes, breaks its promises, and the model must see that.
func TestPowerCutModelFindsFaults(t *testing.T) {
	t.Parallel()
	for what, lost := range map[string]func(traceEvent) bool{
		"files":   func(e traceEvent) bool { return e.op == "sync" },
		"staging": func(e traceEvent) bool { return e.op == "syncdir" && strings.Contains(e.path, stagingName) },
		"folders": func(e traceEvent) bool { return e.op == "syncdir" && !strings.Contains(e.path, stagingName) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			root, folders := modelRoot(t)
			events, messages := tracedDelivery(t, scenario{shape: shapeOf([]int{0, 1}), mails: 1}, root, folders)
			events = slices.DeleteFunc(events, lost)
			v := &verdict{TB: t}
			if powerCuts(v, root, folders, events, messages, *manyStates); !v.failed {
				t.Error("the model did not notice")
			}
		})
	}
}
