package zoo

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pennyml/penny/dtype"
	"github.com/pennyml/penny/model"
	"github.com/pennyml/penny/tokenizer"
)

// lines decodes each line of a JSONL file.
func lines[T any](t testing.TB, path string) []T {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, v)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return all
}

// TestStories260K holds a real little model against recorded logits.
func TestStories260K(t *testing.T) {
	dir := dataDir(t)
	m := open(t, filepath.Join(dir, "weights", "stories260K", "stories260K.gguf"), exact)
	for _, c := range lines[struct {
		Tokens []int32     `json:"tokens"`
		Logits [][]float32 `json:"logits"`
	}](t, filepath.Join(dir, "refs", "stories260K", "stories260K_logits.jsonl")) {
		got := run(t, m, c.Tokens, 2)
		if d := maxDiff(got, slices.Concat(c.Logits...)); d > 1e-4 {
			t.Errorf("tokens %v: logits differ by %.2g", c.Tokens, d)
		}
	}
}

// TestStories260KText tells the recorded story and meets the recorded losses on others.
func TestStories260KText(t *testing.T) {
	dir := dataDir(t)
	m := open(t, filepath.Join(dir, "weights", "stories260K", "stories260K.gguf"), exact)
	tok, err := tokenizer.FromGGUF(&m.GGUF.Meta)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewCache(512)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{1}
	for len(ids) <= 200 {
		logits, err := m.Forward([]model.Chunk{{Cache: c, IDs: ids[len(ids)-1:], Logits: 1}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, argmax(logits))
	}
	want, err := os.ReadFile(filepath.Join(dir, "refs", "stories260K", "stories260K_greedy200.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(tok.Decode(ids[1:])); got != strings.TrimSpace(string(want)) {
		t.Errorf("told %q, want %q", got, want)
	}
	var stories []string
	readJSON(t, filepath.Join(dir, "text", "tinystories_1000.json"), &stories)
	for _, s := range lines[struct {
		Story  *int
		Tokens int
		NLL    float64
	}](t, filepath.Join(dir, "refs", "stories260K", "stories260K_nll_tinystories100.jsonl")) {
		if s.Story == nil {
			continue
		}
		ids, sum := append([]int32{1}, tok.Encode(stories[*s.Story], tokenizer.Options{})...), 0.0
		c.Truncate(0)
		if err := model.Each(m, c, ids, 100, func(i int, logits []float32) error {
			if i < len(ids)-1 {
				sum -= logprob(logits, ids[i+1])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := sum / float64(len(ids)-1); math.Abs(got-s.NLL) > 2e-5 || len(ids) != s.Tokens {
			t.Errorf("story %d: nll %v over %d tokens, want %v over %d", *s.Story, got, len(ids), s.NLL, s.Tokens)
		}
	}
}

const smollm2 = "SmolLM2-135M-Instruct.Q4_1.gguf"

// nll is the negative log-likelihood of the second half of a chunk of text, as llama.cpp's perplexity scores it.
func nll(t testing.TB, m model.Model, ids []int32) (sum float64) {
	t.Helper()
	c, err := m.NewCache(len(ids))
	if err != nil {
		t.Fatal(err)
	}
	first := len(ids) / 2
	if err := model.Each(m, c, ids, 0, func(i int, logits []float32) error {
		if i >= first && i < len(ids)-1 {
			sum -= logprob(logits, ids[i+1])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestSmolLM2Perplexity meets the recorded sums of a few chunks of WikiText-2 with exact activations.
func TestSmolLM2Perplexity(t *testing.T) {
	dir := dataDir(t)
	if testing.Short() {
		t.Skip("short")
	}
	var ids []int32
	readJSON(t, filepath.Join(dir, "refs", "smollm2", "wikitext2_ids_first_20x1024.json"), &ids)
	var want struct {
		Scored map[string]struct {
			PerChunk []struct {
				NLL float64 `json:"nll_sum"`
			} `json:"per_chunk"`
		} `json:"scored"`
	}
	readJSON(t, filepath.Join(dir, "refs", "smollm2", "wikitext2_f32.json"), &want)
	m := open(t, filepath.Join(dir, "weights", "smollm2", smollm2), exact)
	for c := range 1 {
		w := want.Scored["512"].PerChunk[c].NLL
		if got := nll(t, m, ids[c*512:(c+1)*512]); math.Abs(got/w-1) > 1e-5 {
			t.Errorf("chunk %d: nll %v, want %v", c, got, w)
		}
	}
}

// TestSmolLM2Greedy follows the recorded answers up to the first step whose two best tokens are nearly equal.
func TestSmolLM2Greedy(t *testing.T) {
	dir := dataDir(t)
	m := open(t, filepath.Join(dir, "weights", "smollm2", smollm2), exact)
	for i, c := range lines[struct {
		PromptIDs []int32 `json:"prompt_ids"`
		F32       struct {
			IDs    []int32   `json:"ids"`
			Margin []float64 `json:"margin"`
		} `json:"f32"`
	}](t, filepath.Join(dir, "refs", "smollm2", "greedy48.jsonl"))[:1] {
		cache, err := m.NewCache(1024)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := model.Prefill(m, cache, c.PromptIDs, 0)
		for step, id := range c.F32.IDs {
			if err != nil {
				t.Fatal(err)
			}
			if c.F32.Margin[step] < 0.01 {
				break
			}
			if got := argmax(logits); got != id {
				t.Fatalf("prompt %d step %d: token %d, want %d (margin %v)", i, step, got, id, c.F32.Margin[step])
			}
			logits, err = m.Forward([]model.Chunk{{Cache: cache, IDs: []int32{id}, Logits: 1}})
		}
	}
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestFastPath: 8-bit activations move the loss of SmolLM2 by well under a per cent.
func TestFastPath(t *testing.T) {
	dir := dataDir(t)
	var ids []int32
	readJSON(t, filepath.Join(dir, "refs", "smollm2", "wikitext2_ids_first_20x1024.json"), &ids)
	path := filepath.Join(dir, "weights", "smollm2", smollm2)
	want := nll(t, open(t, path, exact), ids[:256])
	for _, o := range []model.Options{{}, {CacheType: dtype.BF16}} {
		if got := nll(t, open(t, path, o), ids[:256]); math.Abs(got/want-1) > 0.01 {
			t.Errorf("%+v: nll %v, exactly %v", o, got, want)
		}
	}
}
