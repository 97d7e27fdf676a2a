package main

import (
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
)

// clients makes the client of every owner. Owners of one address share what may
// be asked of it.
func (p *parts) clients(log zerolog.Logger) (map[*config.Owner]*sources.Client, error) {
	c := p.config
	owners := make([]sources.Owner, 0, len(c.Owners))
	for _, o := range c.Owners {
		owner := ownerOf(o, p.home, log)
		owner.Observer, owner.Transport = p.metrics, p.carrier
		owners = append(owners, owner)
	}
	sources.ShareBudgets(owners)
	clients := make(map[*config.Owner]*sources.Client)
	for i, o := range c.Owners {
		client, err := sources.NewClient(owners[i])
		if err != nil {
			return nil, config.Mistakes{c.Mistake(o.KeyPath+".url", "%v", err)}
		}
		clients[o] = client
	}
	return clients, nil
}

// ownerOf maps an owner.
func ownerOf(o *config.Owner, store auth.TokenStore, log zerolog.Logger) sources.Owner {
	log = log.With().Str("owner", o.Name).Logger()
	out := sources.Owner{
		Name: o.Name, URL: o.URL, Headers: map[string]string{"User-Agent": "larder/" + version()},
		Rate: o.Rate.PerSecond(), Burst: o.Burst, Concurrency: o.Concurrency, Timeout: o.Timeout,
		Retry: sources.Retry{Attempts: o.Retry.Attempts, Min: o.Retry.Min, Max: o.Retry.Max,
			Status: append([]int{}, o.Retry.Status...)}, // none at all is a wish, too
		Quota: quotaOf(o.Quota), MaxBody: o.MaxBody, MaxDepth: o.MaxDepth, Log: log,
		TLS: sources.TLS{CAFile: o.TLS.CAFile, CertFile: o.TLS.CertFile, KeyFile: o.TLS.KeyFile, ServerName: o.TLS.ServerName},
	}
	for _, h := range o.Headers {
		out.Headers[h.Name] = h.Value.Reveal()
	}
	for _, h := range o.AllowHosts {
		out.Hosts = append(out.Hosts, sources.Host{Host: h.Host, Credentials: h.Credentials})
	}
	out.Auth = authOf(o.Auth, out, store, log)
	return out
}

// quotaOf maps where an owner tells what it still takes.
func quotaOf(q config.Quota) sources.Quota {
	return sources.Quota{Off: q.Off, Remaining: q.Remaining.String(), Reset: q.Reset.String(), Format: sources.ResetFormat(q.Format),
		Cost: q.Cost.String(), Restore: q.Restore.String(), Refused: testOf(q.Refused)}
}
