package component

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWritesThatAreLostAreRepeated(t *testing.T) {
	closed := make(chan struct{})
	close(closed)
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		changed <-chan struct{}
		do      []func(context.Context) error // one a call
		err     error
	}{
		"answered": {make(chan struct{}), []func(context.Context) error{func(context.Context) error { return nil }}, nil},
		"refused":  {make(chan struct{}), []func(context.Context) error{func(context.Context) error { return refused }}, refused},
		"lost with the leader": {closed, []func(context.Context) error{
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			func(context.Context) error { return nil },
		}, nil},
		"refused by the new leader": {closed, []func(context.Context) error{
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			func(context.Context) error { return refused },
		}, refused},
		"answered by the new leader": {closed, []func(context.Context) error{func(context.Context) error { return nil }}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			_, err := untilLost(t.Context(), c.changed, time.Millisecond, func(ctx context.Context) (any, error) {
				calls++
				if calls > len(c.do) {
					t.Fatal("called once too often")
				}
				return nil, c.do[calls-1](ctx)
			})
			if calls != len(c.do) || !errors.Is(err, c.err) {
				t.Errorf("%d calls, %v", calls, err)
			}
		})
	}
	t.Run("the client has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := untilLost(ctx, closed, time.Millisecond, func(ctx context.Context) (any, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
