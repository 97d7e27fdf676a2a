package config_test

import "github.com/larder-sync/larder/config"

// template and path build what the tests expect.
func template(text string) config.Template {
	t, err := config.ParseTemplate(text)
	if err != nil {
		panic(err)
	}
	return t
}

func path(text string) config.Path {
	p, err := config.ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}
