//! The cells of all requests, by number.
//!
//! There are twice as many cells at first as requests can be in flight, in one page: the other half
//! is for outputs that nobody has fetched yet. Who holds more tickets than that makes the table
//! grow by pages, each as large as all before it, which stay.
//!
//! Owns: [`Table`]. Does not own: room for requests in flight, nor what lies in a cell. Invariants:
//! a cell never moves and lives as long as the table; a cell is among the free ones or somebody's.

use std::sync::OnceLock;

use super::cell::Cell;
use crate::shared::slots::{Slots, Taken};

/// The cells.
pub(super) struct Table {
    /// Cells of the first page, a power of two.
    first: u32,
    pages: Box<[OnceLock<Page>]>,
}

struct Page {
    free: Slots,
    cells: Box<[Cell]>,
}

/// All pages together have so many cells, which is more than memory has room for.
const MOST: u32 = 1 << 30;

impl Table {
    /// With cells for so many requests in flight, and for as many outputs.
    pub(super) fn new(in_flight: u32) -> Self {
        let first = (in_flight * 2).next_power_of_two().min(MOST);
        let pages = (0..=(MOST / first).ilog2()).map(|_| OnceLock::new());
        let table = Self { first, pages: pages.collect() };
        table.page(0);
        table
    }

    /// Takes a free cell.
    pub(super) fn take(&self) -> u32 {
        for number in 0..self.pages.len() {
            if let Some(place) = self.page(number).free.take(1, 0).and_then(|mut one| one.pop()) {
                return self.begin_of(number) + place;
            }
        }
        panic!("2^30 tickets are held");
    }

    /// Gives a cell back.
    pub(super) fn give(&self, cell: u32) {
        let number = self.page_of(cell);
        self.page(number).free.give(Taken::one(cell - self.begin_of(number)));
    }

    /// A cell that was taken.
    #[inline]
    pub(super) fn cell(&self, cell: u32) -> &Cell {
        let number = self.page_of(cell);
        &self.page(number).cells[(cell - self.begin_of(number)) as usize]
    }

    /// The numbers of all cells.
    pub(super) fn all(&self) -> core::ops::Range<u32> {
        let made = self.pages.iter().take_while(|page| page.get().is_some()).count();
        0..self.begin_of(made)
    }

    #[inline]
    fn page_of(&self, cell: u32) -> usize {
        (cell / self.first).checked_ilog2().map_or(0, |log| log as usize + 1)
    }

    /// The number of the first cell of a page: of each but the first it is also its size.
    #[inline]
    fn begin_of(&self, page: usize) -> u32 {
        if page == 0 { 0 } else { self.first << (page - 1) }
    }

    #[inline]
    fn page(&self, number: usize) -> &Page {
        self.pages[number].get_or_init(|| {
            let cells = self.first.max(self.begin_of(number));
            Page { free: Slots::full(cells), cells: (0..cells).map(|_| Cell::new()).collect() }
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
