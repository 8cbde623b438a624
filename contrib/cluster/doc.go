// Package cluster is a module of its own, so that the servers its tests start are
// no part of what the program is made of.
package cluster
