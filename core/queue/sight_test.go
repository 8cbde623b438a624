package queue

import (
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestNodes reads what the leader says of the other servers.
func TestNodes(t *testing.T) {
	t.Parallel()
	peer := func(name string, current, offline bool, active time.Duration, lag uint64) *jetstream.PeerInfo {
		return &jetstream.PeerInfo{Name: name, Current: current, Offline: offline, Active: active, Lag: lag}
	}
	for name, c := range map[string]struct {
		info *jetstream.ClusterInfo
		want []Node
	}{
		"no cluster":         {nil, []Node{{Name: "alone", Leads: true, Up: true, Current: true}}},
		"one of no cluster":  {&jetstream.ClusterInfo{Name: "fax"}, []Node{{Name: "alone", Leads: true, Up: true, Current: true}}},
		"all well, in order": {&jetstream.ClusterInfo{Leader: "b", Replicas: []*jetstream.PeerInfo{peer("c", true, false, time.Second, 0), peer("a", true, false, time.Second, 3)}}, []Node{{Name: "a", Up: true, Current: true, Behind: 3, Silent: time.Second}, {Name: "b", Leads: true, Up: true, Current: true}, {Name: "c", Up: true, Current: true, Silent: time.Second}}},
		"behind":             {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{peer("b", false, false, time.Second, 99)}}, []Node{{Name: "a", Leads: true, Up: true, Current: true}, {Name: "b", Up: true, Behind: 99, Silent: time.Second}}},
		"offline":            {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{peer("b", true, true, time.Second, 0)}}, []Node{{Name: "a", Leads: true, Up: true, Current: true}, {Name: "b", Silent: time.Second}}},
		"frozen":             {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{peer("b", true, false, time.Minute, 0)}}, []Node{{Name: "a", Leads: true, Up: true, Current: true}, {Name: "b", Silent: time.Minute}}},
		"no leader":          {&jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{peer("b", true, false, time.Second, 0)}}, []Node{{Name: "b", Up: true, Current: true, Silent: time.Second}}},
	} {
		if got := nodesOf(c.info, "alone"); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
