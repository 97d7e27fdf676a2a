package owners

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Words that names are made of. Given names are ASCII because they also stand
// in email addresses; family names are not, because people's are not.
const (
	givenNames  = "Ada Bruno Clara Dario Elif Farid Greta Hugo Ines Jonas Kira Leo Mina Noor Olga Pavel"
	familyNames = "Ångström Bauer Çelik Duarte Eriksen Fischer García Hübner Ito Jansen Kovács Łukasik Müller Novák O'Neill Saïd"
	styles      = "Amber Carbon Crystal Folding Golden Lunar Neon Quiet Rapid Retro Silver Velvet"
	goods       = "Bell Bumper Cape Engine Gloves Goggles Helmet Horn Lantern Paint Saddle Wheels"
)

func pick(rng *rand.Rand, words string) string {
	all := strings.Fields(words)
	return all[rng.IntN(len(all))]
}

func personName(rng *rand.Rand) string { return pick(rng, givenNames) + " " + pick(rng, familyNames) }

func productName(rng *rand.Rand) string { return pick(rng, styles) + " " + pick(rng, goods) }

func driverStatus(rng *rand.Rand) string { return pick(rng, "available riding resting") }

func email(rng *rand.Rand, id int64) string {
	return fmt.Sprintf("%s.%d.%d@riders.example", strings.ToLower(pick(rng, givenNames)), id, rng.IntN(100))
}

func avatarURL(rng *rand.Rand, id int64) string {
	return fmt.Sprintf("https://avatars.example/%d/%08x.png", id, rng.Uint32())
}

func plate(rng *rand.Rand) string {
	return fmt.Sprintf("%c-%c%c %d", 'A'+rng.IntN(26), 'A'+rng.IntN(26), 'A'+rng.IntN(26), 100+rng.IntN(9900))
}
