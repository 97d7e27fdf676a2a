package owners

import (
	crand "crypto/rand"
	"math/rand/v2"
	"net/http"
	"time"
)

type user struct {
	displayName, avatar, email string
}

type userWire struct {
	ID        int64       `json:"id"`
	Profile   profileWire `json:"profile"`
	AvatarURL string      `json:"avatar_url"`
	Email     string      `json:"email"`
	UpdatedAt string      `json:"updated_at"`
	DeletedAt *string     `json:"deleted_at"`
}

type profileWire struct {
	DisplayName string `json:"displayName"`
}

type usersPage struct {
	Data []userWire `json:"data"`
	Meta struct {
		NextCursor *string `json:"next_cursor"`
	} `json:"meta"`
}

func newUsers(o Options) *Service {
	users := newTable(kind[user]{
		tick: time.Millisecond,
		size: o.Users,
		make: func(rng *rand.Rand, id int64) user {
			return user{personName(rng), avatarURL(rng, id), email(rng, id)}
		},
		alter: func(rng *rand.Rand, id int64, u user) user {
			switch rng.IntN(3) {
			case 0:
				u.displayName = personName(rng)
			case 1:
				u.avatar = avatarURL(rng, id)
			default:
				u.email = email(rng, id)
			}
			return u
		},
		columns: func(r row[user]) Row {
			return Row{
				"id":           integer(r.id),
				"display_name": r.record.displayName,
				"avatar_url":   r.record.avatar,
				"email":        r.record.email,
				"updated_at":   instant(r.stamp),
			}
		},
	}, o.rng(1))
	return newService(plan{
		name:        Users,
		credentials: Credentials{Bearer: crand.Text()},
		data:        users,
		every:       o.Every,
		path:        "/v1/users",
		answer:      func(w http.ResponseWriter, r *http.Request) { answerUsers(w, r, users) },
	})
}

func answerUsers(w http.ResponseWriter, r *http.Request, users *table[user]) {
	q := ask(r)
	after := q.mark("cursor", mark{stamp: q.instant("updated_since")})
	limit := q.limit("limit")
	if err := q.end(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, more := users.oldest(after, limit)
	page := usersPage{Data: each(rows, wireUser)}
	if more {
		token := behind(rows).token()
		page.Meta.NextCursor = &token
	}
	reply(w, http.StatusOK, page)
}

func wireUser(r row[user]) userWire {
	return userWire{
		ID:        r.id,
		Profile:   profileWire{r.record.displayName},
		AvatarURL: r.record.avatar,
		Email:     r.record.email,
		UpdatedAt: stampMillis(r.stamp),
		DeletedAt: tombstone(r, stampMillis),
	}
}
