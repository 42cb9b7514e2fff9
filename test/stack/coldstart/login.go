package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
)

// logIn does what the register and refresh functions would.
func logIn(environ []string, adobe string) error {
	s, err := settings.FromEnv(environ)
	if err != nil {
		return err
	}
	cfg, err := awsconfig.FromEnv(environ)
	if err != nil {
		return err
	}
	answer, err := http.Get(adobe + "/_sandbox/statement")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	statement, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	table := store.NewDynamoDB(dynamodb.NewFromConfig(cfg), s.Table, time.Now, log)
	keeper := wire.Keeper(s, secrets.NewSecretsManager(secretsmanager.NewFromConfig(cfg)), table, "", nil, log)
	if _, err := keeper.Register(context.Background(), access.RegisterOptions{Statement: statement}); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if _, err := keeper.Refresh(context.Background(), access.RefreshOptions{}); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return nil
}
