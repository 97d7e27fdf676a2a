package owners

import (
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const catalogPath = "/catalog/products"

type product struct {
	name  string
	price int64 // cents
	stock int64
}

type productWire struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Price     json.Number `json:"price"`
	Stock     int64       `json:"stock"`
	Modified  string      `json:"modified"`
	DeletedAt *string     `json:"deleted_at"`
}

type productsPage struct {
	Products []productWire `json:"products"`
	Next     *string       `json:"next"`
}

func newProducts(o Options) *Service {
	products := newTable(kind[product]{
		tick: time.Microsecond,
		size: o.Products,
		make: func(rng *rand.Rand, _ int64) product {
			return product{productName(rng), price(rng), rng.Int64N(500)}
		},
		alter: func(rng *rand.Rand, _ int64, p product) product {
			if rng.IntN(2) == 0 {
				p.price = price(rng)
			}
			p.stock = rng.Int64N(500)
			return p
		},
		columns: func(r row[product]) Row {
			return Row{
				"sku":      sku(r.id),
				"name":     r.record.name,
				"price":    decimal(r.record.price, 2),
				"stock":    integer(r.record.stock),
				"modified": instant(r.stamp),
			}
		},
	}, o.rng(4))
	return newService(plan{
		name:        Products,
		credentials: Credentials{Header: "X-Api-Key", Key: crand.Text()},
		data:        products,
		every:       o.Every,
		path:        catalogPath,
		answer:      func(w http.ResponseWriter, r *http.Request) { answerProducts(w, r, products) },
	})
}

func answerProducts(w http.ResponseWriter, r *http.Request, products *table[product]) {
	q := ask(r)
	after := q.mark("after", mark{stamp: q.instant("modified_since")})
	limit := q.limit("limit")
	if err := q.end(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, more := products.oldest(after, limit)
	page := productsPage{Products: each(rows, wireProduct)}
	if more {
		query := url.Values{"after": {behind(rows).token()}, "limit": {strconv.Itoa(limit)}}
		next := catalogPath + "?" + query.Encode()
		page.Next = &next
	}
	reply(w, http.StatusOK, page)
}

func wireProduct(r row[product]) productWire {
	return productWire{
		SKU:       sku(r.id),
		Name:      r.record.name,
		Price:     json.Number(decimal(r.record.price, 2)),
		Stock:     r.record.stock,
		Modified:  stampMicros(r.stamp),
		DeletedAt: tombstone(r, stampMicros),
	}
}

// sku is a product's key. Its width makes the order of keys that of ids.
func sku(id int64) string { return fmt.Sprintf("P-%07d", id) }

// price is in cents and ends in a zero more often than not, so that whoever
// drops trailing zeros is found out.
func price(rng *rand.Rand) int64 {
	if rng.IntN(3) == 0 {
		return 99 + rng.Int64N(20_000)
	}
	return 10 * (10 + rng.Int64N(2_000))
}
