package main

import (
	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "print the JSON Schema of the configuration, for editors", Args: none,
		Long: `schema prints what larder.toml may hold as a JSON Schema (draft 2020-12), so
that an editor offers keys and words, explains them, and marks what is wrong:

  larder schema > larder.schema.json

and in the first line of larder.toml:

  #:schema ./larder.schema.json

It knows what can be told key by key. validate knows the rest: what keys mean
together, and what stands in texts.`,
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
