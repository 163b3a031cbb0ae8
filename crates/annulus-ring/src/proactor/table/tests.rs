//! Numbers and pages of cells.

use std::collections::BTreeSet;

use super::Table;

#[test]
fn a_table_grows_by_pages_and_its_cells_stay_where_they_are() {
    let table = Table::new(3);
    assert_eq!(table.all(), 0..8);
    let mut places = BTreeSet::new();
    let mut addresses = Vec::new();
    for _ in 0..40 {
        let cell = table.take();
        assert!(places.insert(cell), "{cell} was taken twice");
        addresses.push((cell, std::ptr::from_ref(table.cell(cell))));
    }
    assert_eq!(places, (0..40).collect());
    assert_eq!(table.all(), 0..64);
    for (cell, address) in &addresses {
        assert_eq!(std::ptr::from_ref(table.cell(*cell)), *address);
    }
    addresses.sort_by_key(|(_, address)| *address);
    addresses.dedup_by_key(|(_, address)| *address);
    assert_eq!(addresses.len(), 40, "two numbers are one cell");
}

#[test]
fn a_cell_that_was_given_back_is_taken_again_before_the_table_grows() {
    let table = Table::new(1);
    let cells = [(); 2].map(|()| table.take());
    table.give(cells[1]);
    assert_eq!(table.take(), cells[1]);
    let more = table.take();
    assert_eq!((more, table.all()), (2, 0..4));
    table.give(more);
    table.give(cells[0]);
    assert_eq!(table.take(), cells[0]);
}
