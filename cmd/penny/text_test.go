package main

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// push is fed with pieces directly: what the decoder gives out is tested where it lives.
func stream(stop []string, pieces []string) (string, bool) {
	s := &textStream{stop: stop}
	var out strings.Builder
	for _, p := range pieces {
		text, stopped := s.push(p, false)
		out.WriteString(text)
		if stopped {
			return out.String(), true
		}
	}
	text, stopped := s.push("", true)
	return out.String() + text, stopped
}

func TestStopStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 30, -1).Draw(t, "text")
		stop := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 4, -1), 0, 3).Draw(t, "stop")
		want, hit := text, false
		for i := range text { // the earliest end of a stop string wins, then the earliest start
			for _, s := range stop {
				if strings.HasSuffix(text[:i+1], s) {
					if cut := text[:i+1-len(s)]; !hit || len(cut) < len(want) {
						want, hit = cut, true
					}
				}
			}
			if hit {
				break
			}
		}
		if got, stopped := stream(stop, strings.Split(text, "")); got != want || stopped != hit {
			t.Fatalf("%q with stops %q: %q %v, want %q %v", text, stop, got, stopped, want, hit)
		}
	})
}
