package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Endpoint samples from a server that speaks OpenAI's chat completions.
type Endpoint struct {
	URL         string // as in http://localhost:8080/v1
	Model       string
	Key         string // sent as bearer token; empty for none
	System      string
	Temperature float64
	TopP        float64
	MaxTokens   int
	Seed        uint64
	Parallel    int // requests at a time
	Client      *http.Client
}

// tries is how often a request is made before its error counts; the wait doubles between them.
const tries = 4

// maxReply bounds what is read of a reply.
const maxReply = 64 << 20

type chatRequest struct {
	Model       string        `json:"model"`
	Messages    []chatMessage `json:"messages"`
	Temperature float64       `json:"temperature"`
	TopP        float64       `json:"top_p,omitempty"`
	MaxTokens   int           `json:"max_tokens,omitempty"`
	Seed        uint64        `json:"seed"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatReply struct {
	Choices []struct {
		Message struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// Sample asks for every answer in a request of its own, with a seed of its own, since not every server knows n.
func (e *Endpoint) Sample(ctx context.Context, prompts []string, k int, each func(prompt, sample int, a Answer) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
		next    = make(chan int)
	)
	for range max(e.Parallel, 1) {
		workers.Go(func() {
			for i := range next {
				a, err := e.ask(ctx, prompts[i/k], e.Seed+uint64(i))
				mu.Lock()
				if err == nil && ctx.Err() == nil {
					err = each(i/k, i%k, a)
				}
				mu.Unlock()
				if err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < len(prompts)*k && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

func (e *Endpoint) ask(ctx context.Context, prompt string, seed uint64) (Answer, error) {
	r := chatRequest{Model: e.Model, Temperature: e.Temperature, TopP: e.TopP, MaxTokens: e.MaxTokens, Seed: seed}
	if e.System != "" {
		r.Messages = append(r.Messages, chatMessage{"system", e.System})
	}
	r.Messages = append(r.Messages, chatMessage{"user", prompt})
	body, err := json.Marshal(r)
	if err != nil {
		return Answer{}, err
	}
	wait := 500 * time.Millisecond
	for try := 1; ; try++ {
		a, again, err := e.post(ctx, body)
		if err == nil || !again || try == tries {
			return a, err
		}
		select {
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// post makes one request; again says that another try may do better.
func (e *Endpoint) post(ctx context.Context, body []byte) (a Answer, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(e.URL, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return a, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.Key != "" {
		req.Header.Set("Authorization", "Bearer "+e.Key)
	}
	client := e.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return a, ctx.Err() == nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return a, true, fmt.Errorf("%s: %w", e.URL, err)
	}
	if res.StatusCode != http.StatusOK {
		return a, res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500, fmt.Errorf("%s: %s: %s", e.URL, res.Status, excerpt(data))
	}
	var reply chatReply
	if err := json.Unmarshal(data, &reply); err != nil {
		return a, false, fmt.Errorf("%s: the reply is not a chat completion: %w: %s", e.URL, err, excerpt(data))
	}
	if len(reply.Choices) == 0 {
		return a, false, errors.New(e.URL + ": a reply without choices: " + excerpt(data))
	}
	c := reply.Choices[0]
	return Answer{Text: c.Message.Content, Thoughts: c.Message.Reasoning, Tokens: reply.Usage.CompletionTokens, Truncated: c.FinishReason == "length"}, false, nil
}

func excerpt(b []byte) string {
	const most = 300
	if len(b) > most {
		b = append(b[:most:most], "..."...)
	}
	return strings.TrimSpace(string(b))
}
