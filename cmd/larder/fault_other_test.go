//go:build unix && !linux

package main_test

// underTrace are the stories that need Linux.
func underTrace() map[string]faultStory { return nil }
