package tokenizer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// ExampleTokenizer shows the three ways to look at a text that names a special token.
func ExampleTokenizer() {
	tok, err := ParseJSON([]byte(`{"added_tokens": [{"id": 3, "content": "<s>", "special": true}],
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<": 4, "s": 5, ">": 6}, "merges": ["a b"]}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(tok.Encode("ab<s>", Options{}))
	fmt.Println(tok.Encode("ab<s>", Options{Special: SpecialText}))
	fmt.Println(tok.Decode([]int32{2, 3}))
	// Output:
	// [2 3]
	// [2 4 5 6]
	// ab<s>
}

// TestConcurrent uses one tokenizer of each kind of component from several goroutines.
func TestConcurrent(t *testing.T) {
	s := bufio.NewScanner(openFixture(t, "components.jsonl.gz"))
	s.Buffer(nil, 1<<24)
	var texts []string
	for n := 0; s.Scan(); n++ {
		var r struct {
			Texts []string
			JSON  json.RawMessage
			Rows  []componentRow
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			texts = r.Texts
			continue
		}
		if n%10 != 0 {
			continue
		}
		tok, err := ParseJSON(r.JSON)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, row := range r.Rows {
					if got := tok.Encode(texts[row.I], Options{}); !slices.Equal(got, row.IDs) {
						t.Errorf("%q: got %v want %v", texts[row.I], got, row.IDs)
					}
					tok.Decode(row.IDs)
					tok.ID("the")
				}
			})
		}
		wg.Wait()
	}
}

// TestAppend appends to what the caller has, without allocating once the buffers have grown.
func TestAppend(t *testing.T) {
	tok, _ := train(t, TrainConfig{VocabSize: 300}, "the thing that thinks the thought")
	dst := tok.AppendEncode([]int32{7}, "the thing", Options{})
	if dst[0] != 7 || !slices.Equal(dst[1:], tok.Encode("the thing", Options{})) {
		t.Errorf("got %v", dst)
	}
	d := tok.NewDecoder(true)
	out := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		out = out[:0]
		for _, id := range dst[1:] {
			out = d.Append(out, id)
		}
	}); n > 0 {
		t.Errorf("streaming allocates %v times", n)
	}
	if string(out) != "the thing" {
		t.Errorf("decoded %q", out)
	}
}
