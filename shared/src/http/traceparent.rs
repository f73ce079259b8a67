//! Traces that clients name (W3C Trace Context).

/// Whether it has the form that <https://www.w3.org/TR/trace-context/#traceparent-header> asks for. Another
/// one is to be ignored. Later versions may have more behind what is known.
pub fn is_traceparent(text: &str) -> bool {
    let is_id = |id: &str, length: usize| {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        id.len() == length && id.bytes().all(is_hex)
    };
    let is_known = |id: &str, length| is_id(id, length) && id.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let parts: [Option<&str>; 5] = std::array::from_fn(|_| parts.next());
    let [Some(version), Some(trace), Some(parent), Some(flags), more] = parts else {
        return false;
    };
    is_id(version, 2)
        && version != "ff"
        && is_known(trace, 32)
        && is_known(parent, 16)
        && is_id(flags, 2)
        && (more.is_none() || version != "00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_the_form_of_the_recommendation() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let of = |version: &str, trace: &str, parent: &str, rest: &str| {
            format!("{version}-{trace}-{parent}-{rest}")
        };
        for (version, rest) in [("00", "00"), ("00", "01"), ("cc", "09"), ("cc", "01-more-of-it")] {
            assert!(is_traceparent(&of(version, trace, parent, rest)), "{version} {rest}");
        }
        let upper = trace.to_uppercase();
        for bad in [
            String::new(),
            "x".to_owned(),
            "00".to_owned(),
            "---".to_owned(),
            of("ff", trace, parent, "01"),
            of("0", trace, parent, "01"),
            of("00", &upper, parent, "01"),
            of("00", &"0".repeat(32), parent, "01"),
            of("00", trace, &"0".repeat(16), "01"),
            of("00", &trace[1..], parent, "01"),
            of("00", trace, &parent[1..], "01"),
            of("00", trace, parent, "1"),
            of("00", trace, parent, "01-"),
            of("00", trace, parent, "01-more"),
            of("00", trace, parent, "0g"),
            format!("00-{trace}-{parent}"),
        ] {
            assert!(!is_traceparent(&bad), "{bad}");
        }
    }
}
