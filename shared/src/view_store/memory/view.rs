//! A view as it is kept: large documents are compressed, as all of them are in memory.

use kernel::log::Version;
use kernel::projection::Stored;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

/// Bytes from which on a document is worth compressing.
const LARGE: usize = 2_048;

#[derive(Debug)]
pub struct View {
    pub version: Version,
    document: Document,
}

#[derive(Debug)]
enum Document {
    Plain(Box<[u8]>),
    Compressed(Box<[u8]>),
}

impl View {
    pub fn new(version: Version, document: &[u8]) -> Self {
        let document = match document.len() < LARGE {
            true => Document::Plain(document.into()),
            false => Document::Compressed(compress_prepend_size(document).into()),
        };
        Self { version, document }
    }

    pub fn stored(&self) -> Stored {
        let document = match &self.document {
            Document::Plain(bytes) => bytes.to_vec(),
            // Compressed by this process, so it can be read.
            Document::Compressed(bytes) => decompress_size_prepended(bytes).unwrap_or_default(),
        };
        Stored { version: self.version, document }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_kept_and_a_large_one_takes_less() {
        for size in [0, 1, LARGE - 1, LARGE, 100_000] {
            let document = b"{\"sku\":\"A-1\"},".repeat(size / 14 + 1)[..size].to_vec();
            let view = View::new(7, &document);
            if let Document::Compressed(bytes) = &view.document {
                assert!(bytes.len() < size / 4, "{} of {size}", bytes.len());
            }
            assert_eq!(view.stored(), Stored { version: 7, document });
        }
    }
}
