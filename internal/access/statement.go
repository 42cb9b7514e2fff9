package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/pkg/cmu"
)

// statement reads and checks the software statement that is given, or else kept.
func (k *Keeper) statement(ctx context.Context, given []byte) (cmu.Statement, error) {
	text := given
	if text == nil {
		err := k.repeat(ctx, retrySecret, func() (err error) {
			text, err = k.o.Secrets.Read(ctx, k.o.StatementName)
			return err
		})
		if errors.Is(err, secrets.ErrAbsent) {
			return cmu.Statement{}, fmt.Errorf("%w: put the one downloaded from the TVE Dashboard into the secret %s", ErrNoStatement, k.o.StatementName)
		}
		if err != nil {
			return cmu.Statement{}, fmt.Errorf("software statement: %w", err)
		}
	}
	s, err := cmu.ParseStatement(text)
	if err == nil {
		err = s.Check(k.now())
	}
	return s, err
}

// checkStatement is what a dry run does.
func (k *Keeper) checkStatement(ctx context.Context, given []byte) (RegisterResult, error) {
	s, err := k.statement(ctx, given)
	if err != nil {
		return RegisterResult{}, err
	}
	info := k.statementInfo(s)
	return RegisterResult{
		Outcome:   Checked,
		Message:   fmt.Sprintf("The software statement of %s is in order. Nothing was sent to Adobe.", info.SoftwareID),
		Statement: info,
	}, nil
}

func (k *Keeper) statementInfo(s cmu.Statement) *StatementInfo {
	info := &StatementInfo{
		SoftwareID: s.SoftwareID, Issuer: s.Issuer, RegistersAt: k.o.Client.AuthURL,
		IssuedAt: s.IssuedAt, NotBefore: s.NotBefore, ExpiresAt: s.ExpiresAt,
	}
	if !s.IssuedAt.IsZero() {
		info.AgeDays = int(k.now().Sub(s.IssuedAt) / (24 * time.Hour))
	}
	return info
}

// digest names what would be sent to Adobe.
func (k *Keeper) digest(s cmu.Statement) string {
	sum := sha256.Sum256([]byte(k.o.Client.AuthURL + "\n" + k.o.Client.RedirectURI + "\n" + s.Text.Reveal()))
	return hex.EncodeToString(sum[:16])
}
