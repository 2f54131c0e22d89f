package chat

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkRender renders a conversation of 40 messages with real templates.
func BenchmarkRender(b *testing.B) {
	dir := os.Getenv("PENNY_DATA")
	if dir == "" {
		b.Skip("PENNY_DATA is not set: the shared templates are not there")
	}
	var conversation []Message
	for i := range 20 {
		conversation = append(conversation, Message{Role: "user", Content: fmt.Sprint("Question ", i)}, Message{Role: "assistant", Content: "<think>\nhm\n</think>\n\nAnswer"})
	}
	conversation = append(conversation, Message{Role: "user", Content: "The last"})
	for _, name := range []string{"deepseek-ai-DeepSeek-V3.1", "Qwen-Qwen3-0.6B", "openai-gpt-oss-120b"} {
		text, err := os.ReadFile(filepath.Join(dir, "templates/llama.cpp", name+".jinja"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			t, err := Compile(string(text), nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := t.Render(Request{Messages: conversation, AddGenerationPrompt: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
