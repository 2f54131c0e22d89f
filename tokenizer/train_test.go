package tokenizer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// trained is what a trained tokenizer.json holds.
type trained struct {
	Model struct {
		Vocab  map[string]int
		Merges [][2]string
	}
}

func train(t testing.TB, c TrainConfig, texts ...string) (*Tokenizer, trained) {
	data, err := Train(c, slices.Values(texts))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var f trained
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return tok, f
}

func TestTrainGolden(t *testing.T) {
	text := string(readData(t, "text/tinyshakespeare.txt"))
	for _, name := range []string{"512_whole", "512_lines", "2048_whole", "2048_lines"} {
		var want struct {
			VocabSize    int `json:"vocab_size"`
			MinFrequency int `json:"min_frequency"`
			Merges       [][2]string
			Vocab        []string
			Encodings    []struct {
				Text string
				IDs  []int32
			}
		}
		if err := json.Unmarshal(readData(t, "goldens/tokenizers/training/shakespeare_"+name+".json"), &want); err != nil {
			t.Fatal(err)
		}
		texts := []string{text}
		if strings.HasSuffix(name, "lines") {
			texts = strings.SplitAfter(text, "\n")
		}
		tok, got := train(t, TrainConfig{VocabSize: want.VocabSize, MinFrequency: want.MinFrequency}, texts...)
		if !slices.Equal(got.Model.Merges, want.Merges) {
			t.Errorf("%s: other merges", name)
		}
		for id, s := range want.Vocab {
			if got.Model.Vocab[s] != id {
				t.Errorf("%s: token %q is %d, want %d", name, s, got.Model.Vocab[s], id)
			}
		}
		for _, e := range want.Encodings {
			if ids := tok.Encode(e.Text, Options{}); !slices.Equal(ids, e.IDs) {
				t.Errorf("%s: %q: got %v want %v", name, e.Text, ids, e.IDs)
			}
		}
	}
}

// TestTrainSlow holds training to the definition: count all pairs anew for each merge.
func TestTrainSlow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[ab]{1,12}|[abc]{1,8}`), 1, 20).Draw(rt, "words")
		size := 256 + rapid.IntRange(0, 40).Draw(rt, "merges")
		_, got := train(t, TrainConfig{VocabSize: size, MinFrequency: 2, Split: []string{`[^ ]+| `}}, strings.Join(words, " "))
		if want := trainSlow(words, size-256); !slices.Equal(got.Model.Merges, want) {
			rt.Fatalf("%q: got %v want %v", words, got.Model.Merges, want)
		}
	})
}

func trainSlow(words []string, most int) (merges [][2]string) {
	ids := map[string]int{"a": 0, "b": 1, "c": 2}
	var split [][]string
	for _, w := range words {
		split = append(split, strings.Split(w, ""))
	}
	for len(ids) < most+3 {
		counts := map[[2]string]int{}
		for _, w := range split {
			for i := 0; i+1 < len(w); i++ {
				counts[[2]string{w[i], w[i+1]}]++
			}
		}
		best := [2]string{}
		for p, n := range counts {
			b := counts[best]
			if n > b || n == b && (ids[p[0]] < ids[best[0]] || ids[p[0]] == ids[best[0]] && ids[p[1]] < ids[best[1]]) {
				best = p
			}
		}
		if counts[best] < 2 {
			break
		}
		merges = append(merges, best)
		joined := best[0] + best[1]
		if _, ok := ids[joined]; !ok {
			ids[joined] = len(ids)
		}
		for k, w := range split {
			var out []string
			for i := 0; i < len(w); i++ {
				if i+1 < len(w) && w[i] == best[0] && w[i+1] == best[1] {
					out = append(out, joined)
					i++
				} else {
					out = append(out, w[i])
				}
			}
			split[k] = out
		}
	}
	return merges
}

func TestTrainErrors(t *testing.T) {
	for _, c := range []TrainConfig{{VocabSize: 255}, {VocabSize: 256, Special: []string{"<s>"}}, {VocabSize: 300, Special: []string{"<s>", "<s>"}},
		{VocabSize: 300, Special: []string{"!"}}, {VocabSize: 300, Special: []string{""}}, {VocabSize: 300, Split: []string{"("}}} {
		if _, err := Train(c, slices.Values([]string{"a"})); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	tok, _ := train(t, TrainConfig{VocabSize: 300, Special: []string{"<s>"}}, "aaaa aaaa", "bc bc")
	if id, ok := tok.ID("<s>"); !ok || id != 0 || !tok.IsSpecial(0) {
		t.Error("the special token is not token 0")
	}
}
