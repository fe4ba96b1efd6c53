//! The types that an agent may give to parameters by number. Any other number can be a type whose values bring code of a
//! user's, which the text does not show. The numbers are PostgreSQL's own and the same in every release.

/// Types of PostgreSQL's own whose values run its own code only, and 0 and `unknown`, which leave the type to the target.
/// Arrays of the types that look names up in the catalogue are absent: they could list it.
const BUILT_IN: &[u32] = &[
    0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 114, 142, 143, 199, 271, 600, 601,
    602, 603, 604, 628, 629, 650, 651, 700, 701, 705, 718, 719, 774, 775, 790, 791, 829, 869, 1000,
    1001, 1002, 1003, 1005, 1006, 1007, 1009, 1010, 1011, 1013, 1014, 1015, 1016, 1017, 1018, 1019,
    1020, 1021, 1022, 1027, 1028, 1040, 1041, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184,
    1185, 1186, 1187, 1231, 1266, 1270, 1560, 1561, 1562, 1563, 1700, 2202, 2203, 2204, 2205, 2206,
    2278, 2950, 2951, 3220, 3221, 3614, 3615, 3643, 3645, 3734, 3769, 3802, 3807, 3904, 3905, 3906,
    3907, 3908, 3909, 3910, 3911, 3912, 3913, 3926, 3927, 4072, 4073, 4089, 4096, 4191, 5069,
];

/// Whether a parameter may be given this type unasked.
pub fn is_built_in_type(oid: u32) -> bool {
    BUILT_IN.contains(&oid)
}

/// Every number on the list, for a comparison with a server.
pub fn built_in_types() -> impl Iterator<Item = u32> {
    BUILT_IN.iter().copied()
}
