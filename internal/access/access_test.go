package access

import (
	"context"
	"testing"
)

func TestFirstStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		k := w.keeper()
		registered := must[RegisterResult](t)(k.Register(ctx, RegisterOptions{}))
		if registered.Outcome != Registered || registered.ClientID == "" || len(registered.Warnings) > 0 {
			t.Errorf("first: %+v", registered)
		}
		kept := must[RegisterResult](t)(k.Register(ctx, RegisterOptions{}))
		if kept.Outcome != Kept || kept.ClientID != registered.ClientID {
			t.Errorf("second: %+v", kept)
		}
		if r := must[RefreshResult](t)(k.Refresh(ctx, RefreshOptions{})); r.Outcome != Renewed || r.ClientID != registered.ClientID {
			t.Errorf("first refresh: %+v", r)
		}
		if r := must[RefreshResult](t)(k.Refresh(ctx, RefreshOptions{})); r.Outcome != Kept {
			t.Errorf("second refresh: %+v", r)
		}
		if err := w.accepted(); err != nil {
			t.Error(err)
		}
		w.counts(1, 1)
		must[Status](t)(k.Status(ctx))
	})
}
