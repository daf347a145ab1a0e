//! Reads a fuzz input: choices first, then a text.

/// Pieces of text that random bytes seldom become. A text that begins with an odd byte has one of
/// them for each byte from 0x80 on.
const PIECES: [&str; 96] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    "\t",
    "\\\"",
    "\\\\",
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "-0",
    "1e400",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00",
    "\u{feff}",
    "\u{e9}",
    "\u{1f600}",
    "\n{",
    "\n  {",
    "{\"a\":1}",
    "\n{\"b\":2}\n",
    "{\"Records\":[",
    "]}",
    "},{",
    "\"Records\":",
    "\"Rec\\u006frds\":[",
    "\"eventVersion\":\"1.08\"",
    "\"eventVersion\":\"2.1\"",
    "\"eventSource\":\"cloudhsm.amazonaws.com\"",
    "\"eventSource\":\"cloudhsmv2.amazonaws.com\"",
    "\"eventSource\":\"s3.amazonaws.com\"",
    "\"eventSource\":\"aws:s3\"",
    "\"event\\u0053ource\":",
    "cloudhsm",
    "\"cloudhsm\":{}",
    "\"eventName\":\"DeleteHsm\"",
    "\"eventName\":\"CreateCluster\"",
    "\"eventName\":\"PutResourcePolicy\"",
    "\"eventName\":\"CopyBackupToRegion\"",
    "\"eventTime\":\"2026-03-07T23:24:09Z\"",
    "\"eventID\":\"e\"",
    "\"addendum\":{}",
    "\"errorCode\":\"AccessDenied\"",
    "\"userIdentity\":{\"type\":\"AssumedRole\"",
    "\"sessionContext\":{\"sessionIssuer\":{",
    "\"attributes\":{\"mfaAuthenticated\":\"false\"",
    "\"arn\":\"arn:aws:iam::111122223333:root\"",
    "\"sourceIPAddress\":\"192.0.2.1\"",
    "\"requestParameters\":{",
    "\"responseElements\":{",
    "\"cluster\":{\"hsms\":[",
    "\"policy\":\"{\\\"Statement\\\":[",
    "{\\\"Effect\\\":\\\"Allow\\\",\\\"Principal\\\":\\\"*\\\"}",
    "\"resourceArn\":\"arn:aws:cloudhsm:eu-west-1:111122223333:backup/backup-1\"",
    "\"tagList\":[{\"key\":\"k\"}]",
    "\"backupRetentionPolicy\":{\"value\":\"7\"}",
    "\"insightDetails\":{",
    "\"message\":\"",
    "\"message\":{",
    "\"detail\":{",
    "\"log\":\"{\\\"eventVersion\\\":\\\"1.08\\\"}\"",
    "\"event\":{\"original\":\"",
    "\"CloudTrailEvent\":\"{\\\"eventVersion\\\":\\\"1.08\\\"}\"",
    "\"Events\":[",
    "\"QueryResultRows\":[[",
    "{\"eventJson\":\"{\\\"eventVersion\\\":\\\"1.08\\\"}\"}",
    "\"awslogs\":{\"data\":\"H4sI",
    "\"messageType\":\"CONTROL_MESSAGE\"",
    "\"messageType\":\"DATA_MESSAGE\"",
    "\"logEvents\":[",
    "\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]",
    "\"digestS3Bucket\":\"b\"",
    "\"s3\":{}",
    "\"Message\":\"",
    "\"body\":\"",
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]",
    "{\"a\":{\"a\":{\"a\":{\"a\":",
    "}}}}",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "\u{0}",
    "\\/",
    "\u{7f}",
];

/// What the first bytes of an input choose; those that are not there choose 0.
#[derive(Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// The choices of an input.
    pub fn of(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// A number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// So many bytes, or what is left.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let count = count.min(self.0.len());
        self.0.split_off(..count).unwrap_or_default()
    }

    /// What is left, as it is.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// What is left, as a text.
    pub fn text(mut self) -> Vec<u8> {
        let in_pieces = self.byte() % 2 == 1;
        let mut text = Vec::new();
        for byte in self.0 {
            match PIECES.get(usize::from(byte ^ 0x80)) {
                Some(piece) if in_pieces => text.extend_from_slice(piece.as_bytes()),
                _ => text.push(*byte),
            }
        }
        text
    }
}

/// Where an input is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cuts<'a>(&'a [u8]);

impl<'a> Cuts<'a> {
    /// Cuts that some bytes choose, one after the other and again: the lengths of the pieces.
    pub fn of(lengths: &'a [u8]) -> Self {
        Self(lengths)
    }

    /// Whether nothing is cut.
    pub fn is_whole(self) -> bool {
        self.0.first().is_none_or(|length| *length == 0)
    }

    /// The pieces of `input`; all of it when the first length is 0 or there is none.
    pub fn pieces(self, mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
        let lengths = if self.is_whole() { &[] } else { self.0 };
        let mut lengths = lengths.iter().cycle();
        std::iter::from_fn(move || {
            // Short pieces are the hard ones; 255 is 64 times as long.
            let length = lengths.next().map_or(input.len(), |&length| match length {
                0..192 => usize::from(length) + 1,
                _ => usize::from(length - 191) * 256,
            });
            let length = length.min(input.len());
            (length > 0).then(|| input.split_off(..length).unwrap_or_default())
        })
    }
}
