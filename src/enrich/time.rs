//! Reads the points in time of an event.
//!
//! In → out: the text of `eventTime` or `creationDate`; an [`Instant`].
//!
//! Invariants: **Only the grammar of the derived fields is a time**: `YYYY-MM-DD`, `T`, `t` or a
//! space, `HH:MM:SS`, perhaps a fraction of any length, then nothing, `Z`, `z`, `±HH:MM` or
//! `±HHMM`; or `YYYYMMDDTHHMMSSZ`. The year is 0001 to 9999 as written and in UTC. **A fraction
//! keeps all its digits**, so differences are exact.
//!
//! Not here: the present. No clock is read.
//!
//! Failure: a text of another form is no time (`None`), never an error.

/// A point in time as an event tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant<'a> {
    /// The whole second, in UTC.
    second: UtcSecond,
    /// The digits after the point, as written; ASCII digits only, none when there was no point.
    fraction: &'a [u8],
}

impl<'a> Instant<'a> {
    /// The instant that `text` tells, or none when it tells it in another form.
    pub fn parse(text: &'a str) -> Option<Self> {
        extended(text.as_bytes()).or_else(|| basic(text.as_bytes()))
    }

    /// Milliseconds since 1970; finer digits of the fraction are cut.
    pub fn milliseconds(self) -> i64 {
        let digits = self.fraction.iter().copied().chain([b'0'; 3]).take(3);
        let thousandths = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        self.second.0 * 1000 + thousandths
    }

    /// Whole seconds from `earlier` to this instant: both with their fractions, then cut. None
    /// when `earlier` is later, by however little.
    pub fn seconds_since(self, earlier: Self) -> Option<i64> {
        // Without their trailing zeros, digit strings order as the fractions that they write.
        let borrow = significant(self.fraction) < significant(earlier.fraction);
        let seconds = self.second.0 - earlier.second.0 - i64::from(borrow);
        (seconds >= 0).then_some(seconds)
    }

    /// The instant with its fraction cut.
    pub fn second(self) -> UtcSecond {
        self.second
    }
}

/// A whole second in UTC, in the years 0001 to 9999, as seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcSecond(i64);

impl UtcSecond {
    /// `YYYY-MM-DDTHH:MM:SSZ`, in ASCII.
    pub fn text(self) -> [u8; 20] {
        let digit = |number: i64| b'0' + (number.unsigned_abs() % 10) as u8;
        let two = |number| (digit(number / 10), digit(number));
        let (day, clock) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date(day);
        let ((y1, y2), (y3, y4)) = (two(year / 100), two(year));
        let ((m1, m2), (d1, d2)) = (two(month), two(day));
        let (h1, h2) = two(clock / 3600);
        let ((i1, i2), (s1, s2)) = (two(clock / 60 % 60), two(clock % 60));
        [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2,
            b'Z',
        ]
    }

    /// The last second of the year 9999 and the first of the year 0001.
    const MAX: Self = Self(253_402_300_799);
    const MIN: Self = Self(-62_135_596_800);
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// `YYYY-MM-DDTHH:MM:SS`, a fraction or none, an offset or none.
fn extended(text: &[u8]) -> Option<Instant<'_>> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        ref clock @ ..,
    ] = head
    else {
        return None;
    };
    let &[h1, h2, b':', i1, i2, b':', s1, s2] = clock else {
        return None;
    };
    let local = civil([y1, y2, y3, y4, m1, m2, d1, d2], [h1, h2, i1, i2, s1, s2])?;
    let (fraction, zone) = match tail.strip_prefix(b".") {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.split_at_checked(digits).filter(|_| digits > 0)?
        }
        None => (&[][..], tail),
    };
    let utc = local - offset(zone)?;
    (UtcSecond::MIN.0..=UtcSecond::MAX.0)
        .contains(&utc)
        .then_some(Instant {
            second: UtcSecond(utc),
            fraction,
        })
}

/// `YYYYMMDDTHHMMSSZ`.
fn basic(text: &[u8]) -> Option<Instant<'_>> {
    let (date, tail) = text.split_first_chunk::<8>()?;
    let &[b'T', h1, h2, i1, i2, s1, s2, b'Z'] = tail else {
        return None;
    };
    let second = UtcSecond(civil(*date, [h1, h2, i1, i2, s1, s2])?);
    Some(Instant {
        second,
        fraction: &[],
    })
}

/// The second since 1970 of `YYYYMMDD` and `HHMMSS`, when there is such a day and time of day.
fn civil(date: [u8; 8], clock: [u8; 6]) -> Option<i64> {
    let mut digits = date.iter().chain(&clock);
    if !digits.all(u8::is_ascii_digit) {
        return None;
    }
    let [y1, y2, y3, y4, m1, m2, d1, d2] = date;
    let (year, month, day) = (two(y1, y2) * 100 + two(y3, y4), two(m1, m2), two(d1, d2));
    let [h1, h2, i1, i2, s1, s2] = clock;
    let (hour, minute, second) = (two(h1, h2), two(i1, i2), two(s1, s2));
    let is_date =
        year >= 1 && (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
    let is_clock = hour <= 23 && minute <= 59 && second <= 59;
    (is_date && is_clock)
        .then(|| day_number(year, month, day) * DAY + (hour * 60 + minute) * 60 + second)
}

/// How many days a month has.
fn length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Years that begin in March have their leap day at their end, and the days before each of their
// months are those of a line of 153 days in 5 months. Day 0 of that count is in the year 0000.
const EPOCH: i64 = 719_468;

/// The days from 1970-01-01 to a date; the year is at least 1.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5;
    before + day - 1 - EPOCH
}

/// Year, month and day of what [`day_number`] counts.
fn date(day_number: i64) -> (i64, i64, i64) {
    let days = day_number + EPOCH;
    // 400 years have 146 097 days; the last day of 4, 100 and 400 years is one too many for 365.
    let (centuries, day) = (days / 146_097 * 400, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let year = centuries + year;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

/// What follows the time of day, as seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            let seconds = (hours * 60 + minutes) * 60;
            let is_offset =
                [h1, h2, m1, m2].iter().all(u8::is_ascii_digit) && hours <= 23 && minutes <= 59;
            is_offset.then_some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// The number that two ASCII digits write.
fn two(tens: u8, ones: u8) -> i64 {
    i64::from(tens) * 10 + i64::from(ones) - i64::from(b'0') * 11
}

fn significant(fraction: &[u8]) -> &[u8] {
    let zeros = fraction
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    fraction.get(..fraction.len() - zeros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, milliseconds, and the whole second in UTC.
    const TIMES: [(&str, i64, &str); 22] = [
        ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
        (
            "2017-07-11T03:50:45Z",
            1_499_745_045_000,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11t03:50:45z",
            1_499_745_045_000,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11 03:50:45",
            1_499_745_045_000,
            "2017-07-11T03:50:45Z",
        ),
        (
            "20170711T035045Z",
            1_499_745_045_000,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11T03:50:45.1Z",
            1_499_745_045_100,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11T03:50:45.0129",
            1_499_745_045_012,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11T03:50:45.9999999999999999999999Z",
            1_499_745_045_999,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11T03:50:45+02:00",
            1_499_737_845_000,
            "2017-07-11T01:50:45Z",
        ),
        (
            "2017-07-11T03:50:45.5-0030",
            1_499_746_845_500,
            "2017-07-11T04:20:45Z",
        ),
        (
            "2017-07-11T03:50:45-00:00",
            1_499_745_045_000,
            "2017-07-11T03:50:45Z",
        ),
        (
            "2017-07-11T03:50:45+23:59",
            1_499_658_705_000,
            "2017-07-10T03:51:45Z",
        ),
        ("1969-12-31T23:59:59.9999Z", -1, "1969-12-31T23:59:59Z"),
        ("1969-12-31T23:59:59Z", -1000, "1969-12-31T23:59:59Z"),
        ("1969-12-31T23:59:58.0019Z", -1999, "1969-12-31T23:59:58Z"),
        (
            "2000-02-29T00:00:00Z",
            951_782_400_000,
            "2000-02-29T00:00:00Z",
        ),
        (
            "2024-02-29T00:00:00Z",
            1_709_164_800_000,
            "2024-02-29T00:00:00Z",
        ),
        (
            "2024-03-01T00:00:00+00:01",
            1_709_251_140_000,
            "2024-02-29T23:59:00Z",
        ),
        (
            "0001-01-01T00:00:00Z",
            -62_135_596_800_000,
            "0001-01-01T00:00:00Z",
        ),
        (
            "0001-01-01T00:00:00-01:00",
            -62_135_593_200_000,
            "0001-01-01T01:00:00Z",
        ),
        (
            "9999-12-31T23:59:59.999Z",
            253_402_300_799_999,
            "9999-12-31T23:59:59Z",
        ),
        (
            "9999-12-31T23:59:59+00:01",
            253_402_300_739_000,
            "9999-12-31T23:58:59Z",
        ),
    ];

    #[test]
    fn times() {
        for (text, milliseconds, second) in TIMES {
            let time = Instant::parse(text).expect(text);
            assert_eq!(time.milliseconds(), milliseconds, "{text}");
            assert_eq!(time.second().text(), second.as_bytes(), "{text}");
        }
    }

    /// Every day there is, and those that there are not, against another calendar.
    #[test]
    fn days_are_those_of_jiff() {
        let mut day = UtcSecond::MIN.0 / DAY;
        for (year, month) in (1..=9999).flat_map(|year| (1..=12).map(move |month| (year, month))) {
            let days = i64::from(jiff::civil::date(year, month, 1).days_in_month());
            let (year, month) = (i64::from(year), i64::from(month));
            assert_eq!(length(year, month), days);
            for of_month in 1..=days {
                assert_eq!(day_number(year, month, of_month), day);
                assert_eq!(date(day), (year, month, of_month));
                day += 1;
            }
        }
        assert_eq!(day * DAY - 1, UtcSecond::MAX.0);
    }

    #[test]
    fn no_times() {
        for text in [
            "",
            "2017",
            "2017-07-11",
            "2017-07-11T03:50",
            "2017-07-11T03:50Z",
            "2017-07-11T03:50:45.",
            "2017-07-11T03:50:45.Z",
            "2017-07-11T03:50:45,5Z",
            "2017-07-11T03:50:45 Z",
            "2017-07-11T03:50:45ZZ",
            "2017-07-11T03:50:45Z ",
            " 2017-07-11T03:50:45Z",
            "2017-07-11T03:50:45+02",
            "2017-07-11T03:50:45+2:00",
            "2017-07-11T03:50:45+24:00",
            "2017-07-11T03:50:45+00:60",
            "2017-07-11T03:50:45+00:00Z",
            "2017-07-11T03:50:45\u{2212}01:00",
            "2017-07-11_03:50:45Z",
            "2017-07-11  03:50:45Z",
            "2017/07/11T03:50:45Z",
            "17-07-11T03:50:45Z",
            "2017-7-11T03:50:45Z",
            "+2017-07-11T03:50:45Z",
            "-017-07-11T03:50:45Z",
            "2017-00-11T03:50:45Z",
            "2017-13-11T03:50:45Z",
            "2017-07-00T03:50:45Z",
            "2017-07-32T03:50:45Z",
            "2017-06-31T03:50:45Z",
            "2017-02-29T03:50:45Z",
            "1900-02-29T03:50:45Z",
            "2017-07-11T24:00:00Z",
            "2017-07-11T23:60:00Z",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "20170711T035045",
            "20170711t035045Z",
            "20170711T035045z",
            "20170711T035045.5Z",
            "20170711T035045+0000",
            "20170711 035045Z",
            "20170711T240000Z",
            "00000711T035045Z",
            "2017-07-11T03:50:4\u{0665}Z",
            "1499745045",
            "Nov 15, 2022, 6:49:20 PM",
        ] {
            assert_eq!(Instant::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn differences_are_cut_after_they_are_taken() {
        for (earlier, later, seconds) in [
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", Some(0)),
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000", Some(0)),
            ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.50Z", Some(0)),
            ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01Z", Some(0)),
            ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01.49Z", Some(0)),
            ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01.5Z", Some(1)),
            ("2024-01-01T00:00:00.9Z", "2024-01-01T00:00:03.10Z", Some(2)),
            (
                "2024-01-01T00:00:00.0000000000000000000000000000001Z",
                "2024-01-01T00:00:01Z",
                Some(0),
            ),
            (
                "2024-01-01T00:00:00.0000000000000000000000000000001Z",
                "2024-01-01T00:00:00Z",
                None,
            ),
            (
                "2024-01-01T00:00:00.2Z",
                "2024-01-01T00:00:00.19999999999999999999999Z",
                None,
            ),
            ("2024-01-01T00:00:01Z", "2024-01-01T00:00:00.9Z", None),
            ("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00.4Z", Some(0)),
            (
                "2024-01-01T00:00:00+01:00",
                "2024-01-01T00:00:00Z",
                Some(3600),
            ),
            (
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59Z",
                Some(315_537_897_599),
            ),
        ] {
            let [from, to] = [earlier, later].map(|text| Instant::parse(text).expect(text));
            assert_eq!(to.seconds_since(from), seconds, "{earlier} to {later}");
        }
    }
}
