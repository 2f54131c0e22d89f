package answer

import "testing"

func TestFinal(t *testing.T) {
	for text, want := range map[string]string{
		"<think>1</think>\n<answer> a b </answer>": "a b", "so \\boxed{\\{x\\}}": "\\{x\\}", "The answer is: 7, 8": "7, 8", "I think\nso\n": "so",
		"<answer>x": "<answer>x", "": "", "**Answer:** yes": "yes", "<answer>1</answer> no, <answer>2</answer>": "2",
	} {
		if got := Final(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestProgram(t *testing.T) {
	for text, want := range map[string]string{
		"a\n```python\nx = 1\n```\nb": "x = 1\n", "```\nx\n```\n```python\ny\n```\n```\nz\n```": "y\n", "```py\nx\n": "x\n",
		"<think>```python\nno\n```</think>yes": "yes", "```python\na\n```\n```python\nb\n```": "b\n",
	} {
		if got, _ := Program(text, "python"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
