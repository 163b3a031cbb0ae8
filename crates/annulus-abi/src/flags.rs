//! The one macro behind every flag type.
//!
//! Owns: the operators that all flag types share, and the tables (name, C name, first kernel) that
//! tests and diagnoses read. Does not own: any flag.
//!
//! Invariants: the kernel's flag words are open sets (a newer kernel may set a bit that has no name
//! here), so a flag type is a plain integer with names, never an enum, and no bit is ever masked
//! off.

/// Declares a flag newtype over an unsigned integer, its named bits, and the set operations.
///
/// Each bit is `const NAME = value => "C_NAME", (major, minor);` where the version is the first
/// kernel that has it.
macro_rules! flags {
    (
        $(#[$type_doc:meta])*
        pub struct $name:ident($int:ty) {
            $(
                $(#[$bit_doc:meta])*
                const $bit:ident = $value:expr => $c_name:literal, ($major:literal, $minor:literal);
            )*
        }
    ) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// No flag set.
            pub const EMPTY: Self = Self(0);
            $(
                $(#[$bit_doc])*
                #[doc = ""]
                #[doc = concat!("`", $c_name, "`, since Linux ", $major, ".", $minor, ".")]
                #[doc(alias = $c_name)]
                pub const $bit: Self = Self($value);
            )*

            /// Every bit that has a name here, with its name, in the order of the kernel header.
            pub const NAMES: &'static [(&'static str, Self)] =
                &[ $( (stringify!($bit), Self::$bit), )* ];

            /// The same bits with the name that the C header gives them, and the first kernel
            /// `(major, minor)` that has them.
            pub const TABLE: &'static [(&'static str, Self, (u8, u8))] =
                &[ $( ($c_name, Self::$bit, ($major, $minor)), )* ];

            /// The raw bits, as the kernel reads them.
            #[must_use]
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Whether every bit of `other` is set in `self`.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether at least one bit of `other` is set in `self`.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Whether no bit is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The bits of both.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The bits of `self` that are not in `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// The first kernel `(major, minor)` that has every bit set here, or `None` if a bit is
            /// set that has no name. Stable kernels carry backports: probe, do not compare.
            #[must_use]
            pub const fn since(self) -> Option<(u8, u8)> {
                let mut newest = (5, 1);
                let mut left = self;
                let mut index = 0;
                while index < Self::TABLE.len() {
                    let (_, bit, (major, minor)) = Self::TABLE[index];
                    if left.intersects(bit) {
                        if major > newest.0 || (major == newest.0 && minor > newest.1) {
                            newest = (major, minor);
                        }
                        left = left.without(bit);
                    }
                    index += 1;
                }
                if left.is_empty() { Some(newest) } else { None }
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                let mut left = self.0;
                let mut separator = "";
                for (name, bit) in Self::NAMES {
                    if bit.0 != 0 && left & bit.0 == bit.0 {
                        write!(f, "{separator}{name}")?;
                        left &= !bit.0;
                        separator = " | ";
                    }
                }
                if left != 0 {
                    write!(f, "{separator}{left:#x}")?;
                }
                f.write_str(")")
            }
        }
    };
}
pub(crate) use flags;

#[cfg(test)]
mod tests;
