package core

// NewFolders is for the conformance suite, which knows core from outside.
var NewFolders = newFolders
