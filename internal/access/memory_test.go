package access

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store"
)

// memorySecrets keeps the contract of secrets.Store in memory, and adds each secret to hidden.
type memorySecrets struct {
	mu     sync.Mutex
	values map[string]string
	writes int
}

func (m *memorySecrets) Read(ctx context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	value, ok := m.values[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, secrets.ErrAbsent)
	}
	return []byte(value), nil
}

func (m *memorySecrets) Write(ctx context.Context, name, _ string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(value) == 0 || len(value) > 64<<10 || !utf8.Valid(value) {
		return fmt.Errorf("%s: no small text", name)
	}
	if m.values == nil {
		m.values = map[string]string{}
	}
	if m.values[name] != string(value) {
		m.writes++
	}
	m.values[name] = string(value)
	hide(value)
	return nil
}

func (m *memorySecrets) Check(ctx context.Context, _ string) error { return ctx.Err() }

// memoryStore keeps the leases and notes of store.Store in memory. Its blocks are not used.
type memoryStore struct {
	store.Store
	now    func() time.Time
	mu     sync.Mutex
	leases map[string]heldLease
	notes  map[string]store.Note
}

type heldLease struct {
	holder string
	until  time.Time
}

func (m *memoryStore) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l := m.leases[lease]; l.holder != holder && l.until.After(m.now()) {
		return &store.HeldError{Lease: lease, Until: l.until}
	}
	if m.leases == nil {
		m.leases = map[string]heldLease{}
	}
	m.leases[lease] = heldLease{holder, until}
	return nil
}

func (m *memoryStore) Release(ctx context.Context, lease, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.leases[lease].holder == holder {
		delete(m.leases, lease)
	}
	return nil
}

func (m *memoryStore) Notes(ctx context.Context) (map[string]store.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	notes := map[string]store.Note{}
	for name, n := range m.notes {
		if n.Expires.IsZero() || n.Expires.After(m.now()) {
			notes[name] = n
		}
	}
	return notes, ctx.Err()
}

func (m *memoryStore) PutNote(ctx context.Context, name string, n store.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.notes == nil {
		m.notes = map[string]store.Note{}
	}
	m.notes[name] = n
	return nil
}

func (m *memoryStore) DeleteNote(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.notes, name)
	return ctx.Err()
}

func (m *memoryStore) held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.leases)
}

func TestMemorySecretsContract(t *testing.T) {
	secretstest.Run(t, func(*testing.T, ...string) secrets.Store { return &memorySecrets{} })
}
