package expression

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Bounds of a number, so that no owner can make arithmetic slow.
const (
	maxDigits   = 1000 // of a number as it is written
	maxExponent = 400
	maxBits     = 8192 // of a number that is computed
	maxPlaces   = 100  // that a number is rounded to
)

var (
	errRange  = errors.New("is a number out of range")
	errDigits = errors.New("makes a number of too many digits")
	errZero   = errors.New("divides by zero")
)

// decimal is a number that is no whole one of 64 bits, which is an int. Equal
// ones are deeply equal: it is in lowest terms, and made by exact alone. It is
// never changed.
type decimal struct{ *big.Rat }

// exact is the int or decimal of a number.
func exact(r *big.Rat) any {
	if r.IsInt() && r.Num().IsInt64() {
		return int(r.Num().Int64())
	}
	return decimal{new(big.Rat).SetFrac(r.Num(), r.Denom())}
}

// bounded is exact of a number that was computed.
func bounded(r *big.Rat) (any, error) {
	if r.Num().BitLen()+r.Denom().BitLen() > maxBits {
		return nil, errDigits
	}
	return exact(r), nil
}

// number reads a JSON number.
func number(text string) (any, error) {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' {
		return int(v), nil
	}
	if strings.Trim(text, "0123456789+-.eE") != "" {
		return nil, errNotJSON
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent, err := strconv.Atoi(text[at+1:])
		if errors.Is(err, strconv.ErrRange) || exponent > maxExponent || exponent < -maxExponent {
			return nil, errRange
		}
	}
	if len(text) > maxDigits {
		return nil, errRange
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errNotJSON
	}
	return exact(r), nil
}

// rational is the value of a number; nil for everything else.
func rational(v any) *big.Rat {
	switch v := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(v))
	case decimal:
		return v.Rat
	}
	return nil
}

// compareNumbers is exact.
func compareNumbers(a, b any) (c int, ok bool) {
	if x, is := a.(int); is {
		if y, is := b.(int); is {
			return cmp.Compare(x, y), true
		}
	}
	x, y := rational(a), rational(b)
	if x == nil || y == nil {
		return 0, false
	}
	return x.Cmp(y), true
}

// arithmetic is what +, -, *, /, %, ** and ^ become: the operator, two operands
// and the meter.
func arithmetic(args ...any) (any, error) {
	op, a, b := args[0].(string), args[1], args[2]
	if a == nil || b == nil {
		return nil, nil
	}
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			if v, ok := whole(op, x, y); ok {
				return v, nil
			}
		}
	}
	if op == "+" {
		if x, ok := a.(string); ok {
			if y, ok := b.(string); ok {
				if err := args[3].(*meter).makes(len(x) + len(y)); err != nil {
					return nil, err
				}
				return x + y, nil
			}
		}
	}
	x, y := rational(a), rational(b)
	switch {
	case (x == nil || y == nil) && op == "+":
		return nil, fmt.Errorf("adds %s and %s: string(…) makes a text of a number, int(…) and float(…) a number of a text", kindOf(a), kindOf(b))
	case x == nil || y == nil:
		return nil, fmt.Errorf("has %s and %s, and %s takes two numbers", kindOf(a), kindOf(b), op)
	}
	return rationals(op, x, y)
}

// whole computes with ints, as far as the result is one for sure.
func whole(op string, x, y int) (int, bool) {
	switch op {
	case "+":
		sum := x + y
		return sum, (sum > x) == (y > 0)
	case "-":
		difference := x - y
		return difference, (difference < x) == (y > 0)
	case "*":
		const small = 1 << 31
		return x * y, -small < x && x < small && -small < y && y < small
	}
	return 0, false
}

func rationals(op string, x, y *big.Rat) (any, error) {
	out := new(big.Rat)
	switch op {
	case "+":
		return bounded(out.Add(x, y))
	case "-":
		return bounded(out.Sub(x, y))
	case "*":
		return bounded(out.Mul(x, y))
	case "/":
		if y.Sign() == 0 {
			return nil, errZero
		}
		return bounded(out.Quo(x, y))
	case "%":
		switch {
		case !x.IsInt() || !y.IsInt():
			return nil, errors.New("takes the rest of numbers that are not whole")
		case y.Sign() == 0:
			return nil, errZero
		}
		return bounded(out.SetInt(new(big.Int).Rem(x.Num(), y.Num())))
	}
	return power(x, y)
}

// power raises x to a whole power.
func power(x, y *big.Rat) (any, error) {
	if !y.IsInt() || !y.Num().IsInt64() {
		return nil, errors.New("has an exponent that is no whole number")
	}
	n := y.Num().Int64()
	negative := n < 0
	if negative {
		n = -n
	}
	if n < 0 || n > maxBits || (x.Num().BitLen()+x.Denom().BitLen())*int(n) > 2*maxBits {
		return nil, errDigits
	}
	if negative && x.Sign() == 0 {
		return nil, errZero
	}
	exponent := big.NewInt(n)
	top, bottom := new(big.Int).Exp(x.Num(), exponent, nil), new(big.Int).Exp(x.Denom(), exponent, nil)
	if negative {
		top, bottom = bottom, top
	}
	return bounded(new(big.Rat).SetFrac(top, bottom))
}

// signed is what a sign becomes: it, and its operand.
func signed(args ...any) (any, error) {
	if args[1] == nil {
		return nil, nil
	}
	x := rational(args[1])
	if x == nil {
		return nil, fmt.Errorf("gives %s a sign", kindOf(args[1]))
	}
	if args[0] == "-" {
		x = new(big.Rat).Neg(x)
	}
	return exact(x), nil
}

// truncated cuts the fraction off.
func truncated(x *big.Rat) *big.Int { return new(big.Int).Quo(x.Num(), x.Denom()) }

// floored is the greatest whole number that is not greater.
func floored(x *big.Rat) *big.Int {
	out := truncated(x)
	if x.Sign() < 0 && !x.IsInt() {
		out.Sub(out, big.NewInt(1))
	}
	return out
}

// rounded is the nearest number with so many digits behind the point; of two
// that are equally near, the one that is further from zero.
func rounded(x *big.Rat, places int) *big.Rat {
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
	half := big.NewRat(1, 2)
	if x.Sign() < 0 {
		half.Neg(half)
	}
	y := new(big.Rat).Mul(x, scale)
	n := truncated(y.Add(y, half))
	return y.Quo(new(big.Rat).SetInt(n), scale)
}

// appendNumber writes a number with all its digits. One without end is an
// error, or the nearest double.
func appendNumber(b []byte, x *big.Rat, rounds bool) ([]byte, error) {
	rest := new(big.Int).Set(x.Denom())
	twos := int(rest.TrailingZeroBits())
	rest.Rsh(rest, uint(twos))
	fives := 0
	for five, left := big.NewInt(5), new(big.Int); ; fives++ {
		quotient, _ := new(big.Int).QuoRem(rest, five, left)
		if left.Sign() != 0 {
			break
		}
		rest = quotient
	}
	if rest.IsInt64() && rest.Int64() == 1 {
		return append(b, x.FloatString(max(twos, fives))...), nil
	}
	if !rounds {
		return b, errors.New("is a number whose digits have no end: round(…, 2) keeps two of them")
	}
	nearest, _ := x.Float64()
	return strconv.AppendFloat(b, nearest, 'g', -1, 64), nil
}
