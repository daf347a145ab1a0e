//! Knows how long a line each host program takes, and how to make it take longer ones.
//!
//! In → out: the longest line of a sample; for each row of [`HOSTS`] whether it passes as the host
//! is, and otherwise the setting to write.
//!
//! Invariants: **Each row was read in the host's own documentation or source**, as its `read_in`
//! says. **A recommended value is [`headroom`]**, in bytes without a unit, because hosts differ in
//! what a unit is.
//!
//! Not here: the longest line (`sample`), the recipes, which are in `config/` and whose texts name
//! the same settings (a test compares them).
//!
//! Failure: none.

/// What a host does with lines, in one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The program.
    pub name: &'static str,
    /// The part of it that records pass.
    pub part: &'static str,
    /// Its configuration file.
    pub file: &'static str,
    /// How long a line may be.
    pub limit: Limit,
    /// What becomes of a longer one; when there is no limit, why not.
    pub note: &'static str,
    /// Where that is said.
    pub read_in: &'static str,
}

/// How long a line may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As long as a setting says.
    Set {
        /// The setting's name.
        key: &'static str,
        /// The setting as it is written, with `{}` for the number of bytes.
        written: &'static str,
        /// What holds without it, in bytes.
        default: u64,
        /// So many bytes of it are not the line's: its end, or a NUL.
        spare: u64,
        /// Which lines it is for.
        of: Lines,
    },
    /// As long as it likes, unless a setting is given.
    Optional {
        /// The setting's name.
        key: &'static str,
    },
    /// As long as it likes.
    None,
}

/// Which lines pass through a part of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// What hsmtrail writes.
    Written,
    /// What hsmtrail writes, or what is to be read by it.
    Any,
    /// What hsmtrail answers to `mmexternal`.
    Answers,
}

/// Every host that the recipes are for, and the parts of it that have a limit.
pub const HOSTS: &[Host] = &[
    Host {
        name: "Vector",
        part: "file source",
        file: "vector.toml",
        limit: Limit::Set {
            key: "max_line_bytes",
            written: "max_line_bytes = {}",
            default: 102_400,
            spare: 1,
            of: Lines::Any,
        },
        note: "discarded",
        read_in: "website/cue/reference/components/sources/generated/file.cue at 74d286d5f8",
    },
    Host {
        name: "Vector",
        part: "exec and stdin sources",
        file: "vector.toml",
        limit: Limit::Optional {
            key: "framing.newline_delimited.max_length",
        },
        note: "discarded",
        read_in: "generated/exec.cue at c295b7d4b0, generated/stdin.cue at 9d6ef6b94d, and \
                  lib/codecs/src/decoding/framing/newline_delimited.rs at 0b77b26dd3",
    },
    Host {
        name: "Fluent Bit",
        part: "exec input",
        file: "fluent-bit.yaml",
        limit: Limit::Set {
            key: "buf_size",
            written: "buf_size: {}",
            default: 4096,
            // fgets(3) keeps the line break, and a NUL.
            spare: 2,
            of: Lines::Written,
        },
        note: "cut into several records",
        read_in: "plugins/in_exec/in_exec.c at 1fb72e3f0f and in_exec.h",
    },
    Host {
        name: "Fluent Bit",
        part: "stdin input",
        file: "fluent-bit.yaml",
        limit: Limit::Set {
            key: "buffer_size",
            written: "buffer_size: {}",
            default: 16_000,
            spare: 1,
            of: Lines::Written,
        },
        note: "taken for the end of the input, and Fluent Bit ends",
        read_in: "manual, inputs, standard input: `buffer_size`, 16k; plugins/in_stdin/in_stdin.c \
                  at d55459d49",
    },
    Host {
        name: "Fluent Bit",
        part: "tail input",
        file: "fluent-bit.yaml",
        limit: Limit::Set {
            key: "buffer_max_size",
            written: "buffer_max_size: {}",
            // 32k, whichever unit that is.
            default: 32_000,
            spare: 1,
            of: Lines::Any,
        },
        note: "a reason to read the file no more, unless `skip_long_lines` is on",
        read_in: "manual, inputs, tail: `buffer_max_size`, 32k",
    },
    Host {
        name: "Fluentd",
        part: "exec and exec_filter outputs, <buffer>",
        file: "fluentd.conf",
        limit: Limit::Set {
            key: "chunk_limit_size",
            written: "chunk_limit_size {}",
            default: 8 << 20,
            spare: 1,
            of: Lines::Any,
        },
        note: "refused by the buffer",
        read_in: "lib/fluent/plugin/buffer.rb at a8d2bbb209: DEFAULT_CHUNK_LIMIT_SIZE and \
                  BufferChunkOverflowError",
    },
    Host {
        name: "Logstash",
        part: "json_lines codec",
        file: "logstash.conf",
        limit: Limit::Set {
            key: "decode_size_limit_bytes",
            written: "decode_size_limit_bytes => {}",
            default: 512_000_000,
            spare: 1,
            of: Lines::Written,
        },
        note: "not decoded",
        read_in: "reference, codecs, json_lines: `decode_size_limit_bytes`, 512 MB",
    },
    Host {
        name: "Logstash",
        part: "pipe output",
        file: "logstash.conf",
        limit: Limit::None,
        note: "an event is written as a whole",
        read_in: "logstash-output-pipe, lib/logstash/outputs/pipe.rb at 56ec543bf4",
    },
    Host {
        name: "Redpanda Connect",
        part: "subprocess processor and input",
        file: "connect.yaml",
        limit: Limit::Set {
            key: "max_buffer",
            written: "max_buffer: {}",
            default: 65_536,
            spare: 2,
            of: Lines::Written,
        },
        note: "an error, after which the child is started again",
        read_in: "components, processors, subprocess: `max_buffer`; \
                  internal/impl/io/processor_subprocess.go at 2c315969b2",
    },
    Host {
        name: "Redpanda Connect",
        part: "lines scanner",
        file: "connect.yaml",
        limit: Limit::Set {
            key: "max_buffer_size",
            written: "max_buffer_size: {}",
            default: 65_536,
            spare: 2,
            of: Lines::Any,
        },
        note: "an error",
        read_in: "components, scanners, lines: `max_buffer_size`",
    },
    Host {
        name: "rsyslog",
        part: "omprog",
        file: "rsyslog.conf",
        limit: Limit::Set {
            key: "maxMessageSize",
            written: "global(maxMessageSize=\"{}\")",
            default: 8096,
            spare: 1,
            of: Lines::Any,
        },
        note: "cut",
        read_in: "doc, global configuration: 8k; `iMaxLine` at ee72adcd8",
    },
    Host {
        name: "rsyslog",
        part: "answers of mmexternal",
        file: "rsyslog.conf",
        limit: Limit::Set {
            key: "maxMessageSize",
            written: "global(maxMessageSize=\"{}\")",
            default: 8096,
            spare: 1,
            of: Lines::Answers,
        },
        note: "a reason to kill the child",
        read_in: "plugins/mmexternal/mmexternal.c at ee72adcd8",
    },
    Host {
        name: "rsyslog",
        part: "answers to omprog",
        file: "rsyslog.conf",
        limit: Limit::None,
        note: "at most 4096 bytes each, but none holds a record",
        read_in: "plugins/omprog/omprog.c at ee72adcd8",
    },
    Host {
        name: "syslog-ng",
        part: "program() source and destination",
        file: "syslog-ng.conf",
        limit: Limit::Set {
            key: "log-msg-size",
            written: "options { log-msg-size({}); };",
            default: 65_536,
            spare: 1,
            of: Lines::Any,
        },
        note: "cut",
        read_in: "lib/cfg.c at b55e8d0b8, `log_msg_size`",
    },
    Host {
        name: "systemd",
        part: "journal, for a unit whose stdout goes there",
        file: "journald.conf",
        limit: Limit::Set {
            key: "LineMax",
            written: "LineMax={}",
            default: 48 << 10,
            spare: 1,
            of: Lines::Written,
        },
        note: "cut into several entries",
        read_in: "journald.conf(5) of systemd 252",
    },
    Host {
        name: "Spark",
        part: "RDD.pipe",
        file: "spark-defaults.conf",
        limit: Limit::None,
        note: "a line takes what memory the executor has",
        read_in: "core/src/main/scala/org/apache/spark/rdd/PipedRDD.scala",
    },
    Host {
        name: "Prometheus",
        part: "scrape",
        file: "prometheus.yml",
        limit: Limit::None,
        note: "it takes metrics, no records",
        read_in: "README, Metrics",
    },
];

/// The longest lines, in bytes without their line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongestLines {
    /// Of the records as they came.
    pub before: u64,
    /// Of what is written.
    pub after: u64,
}

/// What is to be done about one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// This has to stand in its file.
    Write(String),
    /// What holds by itself is enough.
    Enough(String),
}

impl Host {
    /// What the host needs for lines like these.
    pub fn advice(&self, longest: LongestLines) -> Advice {
        match self.limit {
            Limit::Set {
                written,
                default,
                spare,
                of,
                ..
            } => {
                let line = match of {
                    Lines::Written => longest.after,
                    Lines::Any => longest.after.max(longest.before),
                    // The line with each quote escaped, and the object once more.
                    Lines::Answers => longest.after.saturating_mul(3),
                };
                let bytes = headroom(line, spare);
                if bytes <= default {
                    Advice::Enough(format!("{default} bytes are enough"))
                } else {
                    Advice::Write(written.replace("{}", &bytes.to_string()))
                }
            }
            Limit::Optional { key } => {
                let bytes = headroom(longest.after.max(longest.before), 1);
                Advice::Enough(format!(
                    "no limit; {key}, if it is given, needs {bytes} at least"
                ))
            }
            Limit::None => Advice::Enough(format!("no limit: {}", self.note)),
        }
    }

    /// The name of the setting, if there is one.
    pub fn key(&self) -> Option<&'static str> {
        match self.limit {
            Limit::Set { key, .. } | Limit::Optional { key } => Some(key),
            Limit::None => None,
        }
    }
}

/// A buffer for lines of this length: twice that, with the bytes to `spare`, rounded up to a power
/// of two. A sample seldom holds the longest line there will ever be.
pub fn headroom(line: u64, spare: u64) -> u64 {
    let bytes = line.saturating_mul(2).saturating_add(spare);
    bytes.checked_next_power_of_two().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_the_recipes_has_a_row_and_every_setting_room_for_a_number() {
        for name in [
            "rsyslog",
            "syslog-ng",
            "Prometheus",
            "systemd",
            "Spark",
            "Vector",
            "Fluent Bit",
            "Fluentd",
            "Logstash",
            "Redpanda Connect",
        ] {
            assert!(HOSTS.iter().any(|host| host.name == name), "{name}");
        }
        for host in HOSTS {
            assert!(!host.read_in.is_empty() && !host.note.is_empty());
            if let Limit::Set { key, written, .. } = host.limit {
                assert!(written.contains(key) && written.matches("{}").count() == 1);
            }
        }
    }

    #[test]
    fn a_buffer_is_twice_as_long_and_a_power_of_two() {
        for (line, spare, bytes) in [
            (0, 0, 1),
            (1, 0, 2),
            (2047, 2, 4096),
            (2048, 0, 4096),
            (2048, 1, 8192),
            (262_144, 1, 1 << 20),
            (u64::MAX, 0, u64::MAX),
        ] {
            assert_eq!(headroom(line, spare), bytes, "{line} {spare}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_needed_and_only_then() {
        let host = |part: &str| HOSTS.iter().find(|host| host.part == part).unwrap();
        let lines = |before, after| LongestLines { before, after };
        for (part, longest, advice) in [
            ("exec input", lines(9_000, 2_047), None),
            ("exec input", lines(0, 2_048), Some("buf_size: 8192")),
            (
                "file source",
                lines(60_000, 900),
                Some("max_line_bytes = 131072"),
            ),
            ("file source", lines(900, 30_000), None),
            ("omprog", lines(1, 2_047), None),
            ("answers of mmexternal", lines(1, 600), None),
            (
                "answers of mmexternal",
                lines(1, 2_047),
                Some("global(maxMessageSize=\"16384\")"),
            ),
            (
                "omprog",
                lines(262_144, 1),
                Some("global(maxMessageSize=\"1048576\")"),
            ),
            ("RDD.pipe", lines(1 << 40, 1 << 40), None),
            ("exec and stdin sources", lines(1 << 40, 1), None),
        ] {
            let found = host(part).advice(longest);
            let written = match &found {
                Advice::Write(text) => Some(text.as_str()),
                Advice::Enough(_) => None,
            };
            assert_eq!(written, advice, "{part} {longest:?} {found:?}");
        }
    }
}
