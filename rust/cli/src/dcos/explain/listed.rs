//! Enums that know all of their values, so that none can be forgotten by whoever goes through them.

/// Makes an enum with its names in kebab-case, and the list of all its values.
macro_rules! listed {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub(in crate::dcos) enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them.
            #[cfg(test)]
            pub(in crate::dcos) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, as in JSON.
            #[cfg(test)]
            pub(in crate::dcos) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

pub(super) use listed;
